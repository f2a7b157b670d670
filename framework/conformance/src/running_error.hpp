#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "bound_tools.hpp"

/// Arithmetic that carries its own error bound, for ops whose results feed later ones: recurrences.
/// Source: running error analysis, Higham, Accuracy and Stability of Numerical Algorithms, 3.3.
namespace soma::conformance {

/// A float64 value and how far the float32 computation of it may be; both follow from the operands'
/// and from one rounding per operation.
struct Number {
  double value = 0;
  double error = 0;
  /// The float32 result may be of another class: something before it may have overflowed, or have
  /// become a zero that meets an infinity. No claim is made about it.
  bool loose = false;
};

namespace running {

inline Number checked(double value, double error, bool loose) {
  if (!std::isfinite(value)) return {value, 0, loose};
  return {value, error, loose || std::abs(value) + error > double{FLT_MAX} / 4};
}
inline Number rounded(double value, double error, bool loose) {
  return checked(value, error + kU * (std::abs(value) + error), loose);
}
/// An infinity times a number whose sign is not certain in float32.
inline bool uncertain(const Number& a, const Number& b) {
  return std::isinf(a.value) && b.error > 0 && std::abs(b.value) <= b.error;
}
/// The error that the factors bring into a product.
inline double of_factors(const Number& a, const Number& b) {
  return std::abs(a.value) * b.error + std::abs(b.value) * a.error + a.error * b.error;
}

}  // namespace running

inline Number operator-(const Number& a) { return {-a.value, a.error, a.loose}; }
inline Number operator+(const Number& a, const Number& b) {
  return running::rounded(a.value + b.value, a.error + b.error, a.loose || b.loose);
}
inline Number operator-(const Number& a, const Number& b) { return a + -b; }
inline Number operator*(const Number& a, const Number& b) {
  const bool loose = a.loose || b.loose || running::uncertain(a, b) || running::uncertain(b, a);
  return running::rounded(a.value * b.value, running::of_factors(a, b) + kTiny, loose);
}
/// a b + c; holds whether the product is rounded or not.
inline Number fma(const Number& a, const Number& b, const Number& c) { return a * b + c; }

inline Number sigmoid(const Number& x) {
  const double e = std::exp(-std::abs(x.value)), y = (x.value >= 0 ? 1 : e) / (1 + e);
  if (std::isnan(x.value)) return {x.value, 0, x.loose};
  // |sigmoid''| < 0.1
  const double moved = x.error * std::min(0.25, e / ((1 + e) * (1 + e)) + 0.1 * x.error);
  return {y, moved + 2.5 * ulp(y + moved) + kTiny, x.loose};
}
inline double tanh_slope(double x) {
  const double c = std::cosh(x);
  return 1 / (c * c);
}
inline Number tanh(const Number& x) {
  const double y = std::tanh(x.value);
  if (std::isnan(x.value)) return {x.value, 0, x.loose};
  // |tanh''| < 0.78
  const double moved = x.error * std::min(1.0, tanh_slope(x.value) + 0.78 * x.error);
  return {y, moved + 1.5 * ulp(std::abs(y) + moved) + kTiny, x.loose};
}
/// tanh' at x.
inline Number tanh_derivative(const Number& x) {
  const double y = tanh_slope(x.value), moved = 0.78 * x.error;
  if (std::isnan(x.value)) return {x.value, 0, x.loose};
  return {y, moved + 4 * ulp(y + moved) + kTiny, x.loose};
}
inline Number relu(const Number& x) {
  return x.value <= 0 ? Number{0, std::max(0.0, x.value + x.error), x.loose} : x;
}

/// Sum of a(k) * b(k) over `terms` terms, in any order: T1.
template <class A, class B>
Number contraction(std::int64_t terms, A&& a, B&& b) {
  double value = 0, size = 0, error = 0;
  bool loose = false;
  for (std::int64_t k = 0; k < terms; ++k) {
    const Number &x = a(k), &y = b(k);
    const double product = x.value * y.value;
    value += product;
    loose |= x.loose || y.loose || running::uncertain(x, y) || running::uncertain(y, x);
    if (!std::isfinite(product)) continue;
    const double moved = running::of_factors(x, y);
    error += moved;
    size += std::abs(product) + moved;
  }
  const double n = static_cast<double>(terms);
  loose |= size > double{FLT_MAX} / 4;  // on the way, if not in the end
  return running::checked(value, error + gamma_n(n + 1) * size + n * kTiny, loose);
}

}  // namespace soma::conformance
