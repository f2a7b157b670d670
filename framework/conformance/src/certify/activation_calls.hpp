#pragma once

#include <cstdint>
#include <vector>

#include "soma/abi.h"

namespace soma::conformance {

/// The functions of an activation, with or without learnable numbers; those stand at the values
/// that they start from.
class ActivationCalls {
 public:
  explicit ActivationCalls(const soma_activation& table) : table_(table) {
    for (std::int32_t k = 0; k < table.parameter_count; ++k) {
      wide_.push_back(table.parameters[k].real);
      narrow_.push_back(static_cast<float>(table.parameters[k].real));
    }
  }

  std::int32_t parameters() const { return table_.parameter_count; }
  bool has_backward() const { return learns() || table_.backward_f32 != nullptr; }
  bool has_float64() const {
    if (!learns()) return table_.forward_f64 != nullptr && table_.backward_f64 != nullptr;
    return table_.forward_with_f64 != nullptr && table_.backward_with_f64 != nullptr &&
           table_.terms_f64 != nullptr;
  }

  void forward(const float* x, float* y, std::int64_t n) const {
    learns() ? table_.forward_with_f32(narrow_.data(), x, y, n) : table_.forward_f32(x, y, n);
  }
  void backward(const float* x, const float* g, float* dx, std::int64_t n) const {
    learns() ? table_.backward_with_f32(narrow_.data(), x, g, dx, n)
             : table_.backward_f32(x, g, dx, n);
  }
  void forward(const double* x, double* y, std::int64_t n) const {
    learns() ? table_.forward_with_f64(wide_.data(), x, y, n) : table_.forward_f64(x, y, n);
  }
  void backward(const double* x, const double* g, double* dx, std::int64_t n) const {
    learns() ? table_.backward_with_f64(wide_.data(), x, g, dx, n)
             : table_.backward_f64(x, g, dx, n);
  }

  /// What each element adds to the gradient of number k, for an incoming gradient.
  void terms(std::int32_t k, const float* x, const float* g, float* to, std::int64_t n) const {
    table_.terms_f32(narrow_.data(), k, x, g, to, n);
  }
  double term(std::int32_t k, double x) const {
    const double one = 1;
    double to = 0;
    table_.terms_f64(wide_.data(), k, &x, &one, &to, 1);
    return to;
  }
  /// The value with number k moved by `step`.
  double value_beside(std::int32_t k, double step, double x) const {
    std::vector<double> moved = wide_;
    moved[static_cast<std::size_t>(k)] += step;
    double y = 0;
    table_.forward_with_f64(moved.data(), &x, &y, 1);
    return y;
  }

 private:
  bool learns() const { return table_.parameter_count > 0; }

  const soma_activation& table_;
  std::vector<double> wide_;
  std::vector<float> narrow_;
};

}  // namespace soma::conformance
