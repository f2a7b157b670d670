#pragma once

#include <cstdint>
#include <functional>

#include "soma/sdk/activation_functions.hpp"
#include "soma/sdk/backend.hpp"
#include "soma/sdk/ops/epilogue.hpp"

namespace soma::reference {

/// What follows the finished sums of a contraction: + bias, + residual, activation, each one
/// rounding.
template <class T>
class EpilogueLoops {
 public:
  /// Throws UnsupportedError for an activation that is not built in.
  explicit EpilogueLoops(const ops::Epilogue& epilogue) : epilogue_(epilogue) {
    if (epilogue.activation.empty()) return;
    activate_ = sdk::visit_activation(epilogue.activation, [](auto function) -> Activate {
      return [function](T* y, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) y[i] = function.f(math::Wrapped<T>(y[i])).v;
      };
    });
  }

  /// Applies it to output [rows, channels], which holds the sums.
  void apply(const sdk::Exec& exec, std::int64_t rows, std::int64_t channels, T* output) const {
    if (epilogue_.bias) {
      const T* bias = exec.input<T>(epilogue_.bias_input());
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t c = 0; c < channels; ++c) output[row * channels + c] += bias[c];
      }
    }
    if (epilogue_.residual) {
      const T* residual = exec.input<T>(epilogue_.residual_input());
      for (std::int64_t i = 0; i < rows * channels; ++i) output[i] += residual[i];
    }
    if (activate_) activate_(output, rows * channels);
  }

 private:
  using Activate = std::function<void(T* y, std::int64_t n)>;

  ops::Epilogue epilogue_;
  Activate activate_;
};

}  // namespace soma::reference
