#pragma once

#include <cmath>

#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/math/gate_parts.hpp"

/// The smooth gates x * s(x), in the manner of functions.hpp: the same bits in every lane type,
/// denormals kept, NaN in is NaN out. Below zero their tails keep full relative accuracy down to
/// the smallest denormal; f(-inf) = -0, f(+inf) = +inf. A derivative that cancels near its zero
/// (silu' at -1.28, gelu' at -0.75, mish' at -1.19) is accurate relative to the sum of its
/// |terms|.
///
/// Worst error measured, as in functions.hpp, over every 61st of the 2^32 bit patterns; of the
/// derivatives where they are not negative:
///
///   silu 1, gelu 2, gelu_tanh 2, mish 2
///   silu_derivative 2, gelu_derivative 2, gelu_tanh_derivative 2, mish_derivative 3
namespace soma::math {
inline namespace SOMA_MATH_ISA {
/// x / (1 + e^-x), also called swish. Source: Elfwing et al., arXiv:1702.03118.
template <FloatLanes T>
SOMA_MATH_INLINE T silu(T x) {
  return detail::logistic_gate(x, x, T(0));
}
template <FloatLanes T>
SOMA_MATH_INLINE T silu_derivative(T x) {
  return detail::logistic_gate_derivative(x, x, T(0));
}

/// x Phi(x) with the normal distribution function Phi. Source: Hendrycks & Gimpel,
/// arXiv:1606.08415.
template <FloatLanes T>
SOMA_MATH_INLINE T gelu(T x) {
  const T a = abs(x);
  const auto negative = x < T(0);
  const auto beyond = T(detail::kNormalEnd) < a;
  const auto [e, mills] = detail::normal_tail(detail::at_most(T(detail::kNormalEnd), a));
  const auto tail = detail::split_product(e.m, mills);
  const T below = fma(x, tail.high, x * tail.lost);
  const T power = e.power_beside_one();
  const auto main = detail::split_sum(T(1), -(tail.high * power));
  const T above = fma(x, main.high, x * fma(-tail.lost, power, main.lost));
  return detail::finish_gate(x, select(negative, below, above), e.n, beyond, x);
}

/// Phi(x) + x phi(x).
template <FloatLanes T>
SOMA_MATH_INLINE T gelu_derivative(T x) {
  constexpr float kRootOfTwoPi = 0x1.988454p-2f;  // 1 / sqrt(2 pi)
  const T a = abs(x);
  const auto negative = x < T(0);
  const auto beyond = T(detail::kNormalEnd) < a;
  const T inside = detail::at_most(T(detail::kNormalEnd), a);
  const auto [e, mills] = detail::normal_tail(inside);
  const T w = fma(-inside, T(kRootOfTwoPi), mills.high);
  const T y = select(negative, e.m.high * w, fma(-e.beside_one().high, w, T(1)));
  return detail::finish_gate(x, y, e.n, beyond, T(1));
}

/// x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Source: Hendrycks & Gimpel, arXiv:1606.08415.
template <FloatLanes T>
SOMA_MATH_INLINE T gelu_tanh(T x) {
  T lost;
  const T v = detail::gelu_tanh_angle(copysign(detail::at_most(T(12), abs(x)), x), lost);
  return detail::logistic_gate(x, v, lost);
}
template <FloatLanes T>
SOMA_MATH_INLINE T gelu_tanh_derivative(T x) {
  constexpr float kA = 0x1.988454p+0f,
                  kC = 0x1.b6676cp-3f;  // the angle's derivative is kA + kC x^2
  const T inside = copysign(detail::at_most(T(12), abs(x)), x);
  T lost;
  const T v = detail::gelu_tanh_angle(inside, lost);
  const T h = inside * fma(inside * inside, T(kC), T(kA));
  return detail::logistic_gate_derivative(h, v, lost);
}

/// x tanh(log(1 + e^x)). Source: Misra, arXiv:1908.08681.
template <FloatLanes T>
SOMA_MATH_INLINE T mish(T x) {
  // tanh(log(1 + E)) = E (E + 2) / (E (E + 2) + 2), for E = e or E = 1/e
  const auto terms = detail::mish_terms(x);
  const auto over =
      detail::choose(x < T(0), detail::split_product(terms.e.m, terms.near), terms.near);
  const T y = detail::finish_gate(x, detail::split_quotient(x, over, terms.under), terms.e.n,
                                  T(detail::kGateEnd) < abs(x), x);
  return copysign(y, x);
}
template <FloatLanes T>
SOMA_MATH_INLINE T mish_derivative(T x) {
  // The derivative is t + 4x E (1 + E) / (E (E + 2) + 2)^2 with t = mish(x) / x; see mish.
  const auto negative = x < T(0);
  const auto terms = detail::mish_terms(x);
  const T e = terms.e.beside_one().high, under = terms.under.high;
  const T slope = T(4) * (e + T(1)) * x * select(negative, T(1), e * e);
  const T sum = fma(terms.near.high, under, slope);
  const T y = select(negative, terms.e.m.high, T(1)) * (sum / (under * under));
  return detail::finish_gate(x, select(!negative && terms.e.n < T(-40), T(1), y), terms.e.n,
                             T(detail::kGateEnd) < abs(x), T(1));
}

// float64
namespace detail {

/// x / (1 + exp(-v)) and s + h s (1 - s), as above.
inline double logistic_gate(double x, double v) {
  if (v < -1000) return -0.0;
  const double e = std::exp(-std::fabs(v));
  return (v < 0 ? x * e : x) / (1 + e);
}
inline double logistic_gate_derivative(double h, double v) {
  if (std::fabs(v) > 1000) return v < 0 ? -0.0 : 1.0;
  const double e = std::exp(-std::fabs(v)), d = 1 / (1 + e);
  return v < 0 ? e * d * (1 + h * d) : d * (1 + h * (e * d));
}
inline constexpr double kGeluTanhA = 1.5957691216057308, kGeluTanhB = 0.071354816272600249;

}  // namespace detail

inline F64 silu(F64 x) { return detail::logistic_gate(x.v, x.v); }
inline F64 silu_derivative(F64 x) { return detail::logistic_gate_derivative(x.v, x.v); }
inline F64 gelu(F64 x) {
  if (x.v < -100) return -0.0;
  return 0.5 * x.v * std::erfc(x.v * -0.70710678118654752);
}
inline F64 gelu_derivative(F64 x) {
  if (std::fabs(x.v) > 100) return x.v < 0 ? -0.0 : 1.0;
  return 0.5 * std::erfc(x.v * -0.70710678118654752) +
         x.v * 0.39894228040143268 * std::exp(-0.5 * x.v * x.v);
}
inline F64 gelu_tanh(F64 x) {
  return detail::logistic_gate(x.v, x.v * (detail::kGeluTanhA + detail::kGeluTanhB * x.v * x.v));
}
inline F64 gelu_tanh_derivative(F64 x) {
  const double z = x.v * x.v;
  return detail::logistic_gate_derivative(x.v * (detail::kGeluTanhA + 3 * detail::kGeluTanhB * z),
                                          x.v * (detail::kGeluTanhA + detail::kGeluTanhB * z));
}
inline F64 mish(F64 x) {
  if (x.v < -1000) return -0.0;
  const double e = std::exp(-std::fabs(x.v));
  return x.v < 0 ? x.v * e * (e + 2) / (e * (e + 2) + 2)
                 : x.v * (1 + 2 * e) / (1 + 2 * e + 2 * e * e);
}
inline F64 mish_derivative(F64 x) {
  if (std::fabs(x.v) > 1000) return x.v < 0 ? -0.0 : 1.0;
  const double e = std::exp(-std::fabs(x.v));
  const double under = x.v < 0 ? e * (e + 2) + 2 : 1 + 2 * e + 2 * e * e;
  const double slope = 4 * (1 + e) * x.v;
  return (x.v < 0 ? e * ((e + 2) * under + slope) : (1 + 2 * e) * under + slope * e * e) /
         (under * under);
}

#define SOMA_MATH_GATE(name)                                                        \
  inline float name(float x) { return name(F32(x)).v; }                             \
  inline double name(double x) { return name(F64(x)).v; }                           \
  inline float name##_derivative(float x) { return name##_derivative(F32(x)).v; }   \
  inline double name##_derivative(double x) { return name##_derivative(F64(x)).v; } \
  template <class T>                                                                \
  inline Dual<T> name(Dual<T> x) {                                                  \
    return {name(x.value), name##_derivative(x.value) * x.derivative};              \
  }
SOMA_MATH_GATE(silu)
SOMA_MATH_GATE(gelu)
SOMA_MATH_GATE(gelu_tanh)
SOMA_MATH_GATE(mish)
#undef SOMA_MATH_GATE

}  // namespace SOMA_MATH_ISA
}  // namespace soma::math
