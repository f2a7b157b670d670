#pragma once

#include <cstdint>

#include "soma/sdk/backend.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/epilogue.hpp"

namespace soma::reference {

/// What follows the finished sums of a contraction: + bias, + residual, activation, each one
/// rounding.
template <class T>
class EpilogueLoops {
 public:
  /// Throws UnsupportedError for an activation that cannot be fused.
  explicit EpilogueLoops(const ops::Epilogue& epilogue) : epilogue_(epilogue) {
    if (epilogue.activation == "relu") {
      activate_ = [](T* y, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) y[i] = math::relu(y[i]);
      };
    } else if (epilogue.activation == "sigmoid") {
      activate_ = [](T* y, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) y[i] = math::sigmoid(y[i]);
      };
    } else if (epilogue.activation == "tanh") {
      activate_ = [](T* y, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) y[i] = math::tanh(y[i]);
      };
    } else if (!epilogue.activation.empty()) {
      throw UnsupportedError("reference: activation '" + epilogue.activation +
                             "' cannot be part of an epilogue");
    }
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
    if (activate_ != nullptr) activate_(output, rows * channels);
  }

 private:
  ops::Epilogue epilogue_;
  void (*activate_)(T* y, std::int64_t n) = nullptr;
};

}  // namespace soma::reference
