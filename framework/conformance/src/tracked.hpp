#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "bound_tools.hpp"

namespace soma::conformance {

/// A float64 value together with how far the float32 computation of the same formula may be from
/// it, operation by operation: running error analysis, Higham, Accuracy and Stability of Numerical
/// Algorithms, 2nd ed., section 3.3. Operands that float32 holds exactly have error 0. `magnitude`
/// is the largest finite value on the way: where it may overflow float32 nothing is promised.
struct Tracked {
  double value = 0, error = 0, magnitude = 0;

  Tracked() = default;
  Tracked(double v, double e = 0, double m = 0)  // NOLINT(google-explicit-constructor): a number
      : value(v), error(std::isfinite(v) ? e : 0), magnitude(std::max(m, finite(v))) {}

  static double finite(double v) { return std::isfinite(v) ? std::abs(v) : 0; }
  /// The float32 rounding of a result that carries the error `e` of its operands.
  static Tracked rounded(double v, double e, double m) {
    return {v, e + kU * (std::abs(v) + e) + kTiny, m};
  }

  friend Tracked operator-(Tracked a) { return {-a.value, a.error, a.magnitude}; }
  friend Tracked operator+(Tracked a, Tracked b) {
    return rounded(a.value + b.value, a.error + b.error, most(a, b));
  }
  friend Tracked operator-(Tracked a, Tracked b) { return a + (-b); }
  friend Tracked operator*(Tracked a, Tracked b) {
    return rounded(a.value * b.value, product_error(a, b), most(a, b));
  }
  friend Tracked operator/(Tracked a, Tracked b) {
    const double v = a.value / b.value, least = std::abs(b.value) - b.error;
    const double e = a.error + (b.error > 0 ? std::abs(v) * b.error : 0);
    return rounded(v, e == 0 ? 0 : least > 0 ? e / least : INFINITY, most(a, b));
  }
  friend Tracked fma(Tracked a, Tracked b, Tracked c) {
    return rounded(a.value * b.value + c.value, product_error(a, b) + c.error,
                   std::max({most(a, b), c.magnitude, finite(a.value * b.value)}));
  }
  friend Tracked sqrt(Tracked a) {
    const double v = std::sqrt(a.value);
    const double e = a.error == 0 ? 0 : std::min(std::sqrt(a.error), a.error / v);
    return rounded(v, e, a.magnitude);
  }
  /// What follows promises 1 ulp of the correctly rounded result: 3u of a value in any binade.
  friend Tracked exp(Tracked a) {
    const double v = std::exp(a.value);
    return {v, v * std::expm1(a.error) + 3 * kU * v + kTiny, a.magnitude};
  }
  friend Tracked log(Tracked a) {
    const double v = std::log(a.value), least = a.value - a.error;
    return {v, (a.error == 0 ? 0 : a.error / least) + 3 * kU * std::abs(v) + kTiny, a.magnitude};
  }
  friend Tracked log1p(Tracked a) {
    const double v = std::log1p(a.value), least = 1 + a.value - a.error;
    return {v, (a.error == 0 ? 0 : a.error / least) + 3 * kU * std::abs(v) + kTiny, a.magnitude};
  }
  friend Tracked abs(Tracked a) { return {std::abs(a.value), a.error, a.magnitude}; }
  /// max(a, 0) and the value nearest to a in [-limit, limit]; a NaN stays. Neither adds an error.
  friend Tracked positive(Tracked a) { return {a.value < 0 ? 0 : a.value, a.error, a.magnitude}; }
  friend Tracked held_within(Tracked a, double limit) {
    const double v = a.value < -limit ? -limit : limit < a.value ? limit : a.value;
    return {v, a.error, a.magnitude};
  }
  /// -1, 0 or 1, NaN for NaN; not known where the error hides the sign.
  friend Tracked sign(Tracked a) {
    const double v = a.value > 0 ? 1 : a.value < 0 ? -1 : a.value;
    return {v, a.error > 0 && std::abs(a.value) <= a.error ? 2.0 : 0.0, a.magnitude};
  }

 private:
  static double most(Tracked a, Tracked b) { return std::max(a.magnitude, b.magnitude); }
  static double product_error(Tracked a, Tracked b) {
    double e = 0;
    if (b.error > 0 && a.value != 0) e += std::abs(a.value) * b.error;
    if (a.error > 0 && b.value != 0) e += std::abs(b.value) * a.error;
    return e + a.error * b.error;
  }
};

/// A sum in any order of `terms`.
inline Tracked total(std::span<const Tracked> terms) {
  Tracked sum;
  double sizes = 0;
  for (const Tracked& t : terms) {
    sum.value += t.value;
    sum.error += t.error;
    sum.magnitude = std::max(sum.magnitude, t.magnitude);
    sizes += std::abs(t.value) + t.error;
  }
  const double n = static_cast<double>(terms.size());
  return {sum.value, sum.error + gamma_n(n) * sizes,
          std::max(sum.magnitude, Tracked::finite(sizes))};
}

/// Makes a tracked result the limit of one element; the value stays the oracle's.
inline void set_limit(Expected& e, std::size_t i, const Tracked& t) {
  e.limit[i] = t.error;
  e.magnitude[i] = t.magnitude;
}

/// A constant of an op: float32 in every kernel.
inline Tracked constant(double value) { return static_cast<double>(static_cast<float>(value)); }

}  // namespace soma::conformance
