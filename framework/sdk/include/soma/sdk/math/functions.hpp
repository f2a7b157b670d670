#pragma once

#include <cmath>

#include "soma/sdk/math/dual.hpp"
#include "soma/sdk/math/lanes.hpp"
#include "soma/sdk/math/reduction.hpp"

/// The canonical elementary functions: the only ones that may decide a bit of a network.
///
/// Each works on float (F32), F32x8, F32x16, double (F64), and Dual of these. The float32 forms
/// give the same bits in every lane type, for all 2^32 inputs (any NaN equals any NaN); they keep
/// denormal inputs and results, NaN in is NaN out, and a zero keeps its sign wherever f(0) = 0,
/// relu excepted. The float64 forms are the C library's, for the oracle. A dual has the value of
/// the function on its value, and the derivative by its formula evaluated from x, not from the
/// rounded value.
///
/// Worst error measured, in ulp of the float64 result rounded to float32, and over which inputs:
///
///   exp, expm1          1   all 2^32
///   tanh, log           1   every one; where the result is a constant or x itself, or NaN, 1 in 64
///   log1p, erf          1   every 61st of the 2^32 bit patterns, as all that follow
///   sin, cos            1   angles of any size
///   sigmoid, softplus   2
///   sigmoid_derivative  2
///   tanh_derivative     2
///   erf_derivative      3
///
/// tests/framework/math repeats this for every 1021st pattern, or for all with SOMA_FULL_SWEEP set.
namespace soma::math {
inline namespace SOMA_MATH_ISA {

/// e^x. +0 for -inf, +inf on overflow.
template <FloatLanes T>
SOMA_MATH_INLINE T exp(T x) {
  // Above 90 the result is infinite, a NaN stays one.
  return detail::exp_times_power(smaller(T(90), x), 0);
}

/// e^x - 1. -1 for -inf, +inf on overflow.
template <FloatLanes T>
SOMA_MATH_INLINE T expm1(T x) {
  using Int = typename T::Int;
  // Below -20 the result is -1 to the last bit, above 88.8 infinite; a NaN stays one.
  const T low(-20), high(88.8f);
  const auto e = detail::reduce_exp_precisely(larger(low, smaller(high, x)));
  const Int n = to_int(e.n);
  // 2^n ((1 - 2^-n) + r + tail), each sum together with what it lost
  const T inverse = T::from_bits((Int(128) - n) << 23) * T(0.5f);
  const T whole = T(1) - inverse;
  const T whole_lost = (T(1) - whole) - inverse;
  const T sum = whole + e.r;
  const T sum_lost = e.r - (sum - whole);
  const T y = detail::scale(sum + (sum_lost + (e.tail + whole_lost)), e.n);
  return select(x == T(0), x, y);
}

/// Natural logarithm. -inf for both zeros, NaN below.
template <FloatLanes T>
SOMA_MATH_INLINE T log(T x) {
  using Int = typename T::Int;
  const auto denormal = x < T(0x1p-126f);
  const T normal = select(denormal, x * T(0x1p23f), x);
  // 2^e * m with m in [2/3, 4/3)
  const Int e = (bits(normal) - Int(0x3f2aaaab)) >> 23;
  const T f = T::from_bits(bits(normal) - (e << 23)) - T(1);
  T y = detail::log_sum(T::from_int(e) - select(denormal, T(23), T(0)), f, T(0));
  y = select(x < T(detail::kInfinity), y, x);
  return select(x <= T(0), select(x == T(0), T(-detail::kInfinity), T(detail::kNan)), y);
}

/// log(1 + x). -inf for -1, NaN below.
template <FloatLanes T>
SOMA_MATH_INLINE T log1p(T x) {
  using Int = typename T::Int;
  // 1 + x = 2^e (1 + f + f_lost), where the rounded 1 + x serves to find e only
  const Int e = (bits(x + T(1)) - Int(0x3f2aaaab)) >> 23;
  const Int shift = e << 23;
  const T top = fma(T::from_bits(Int(0x40800000) - shift), T(0.25f), T(-1));  // 2^-e - 1
  const T scaled = T::from_bits(bits(x) - shift);                             // x 2^-e
  const T f = scaled + top;
  const T f_lost = scaled - (f - top);
  T y = detail::log_sum(T::from_int(e), f, f_lost);
  y = select(x < T(detail::kInfinity), y, x);
  y = select(x <= T(-1), select(x == T(-1), T(-detail::kInfinity), T(detail::kNan)), y);
  return select(x == T(0), x, y);
}

/// Hyperbolic tangent.
template <FloatLanes T>
SOMA_MATH_INLINE T tanh(T x) {
  static constexpr float kP[] = {-0x1.555552p-2f, 0x1.110fe8p-3f,  -0x1.b9d632p-5f,
                                 0x1.62873ep-6f,  -0x1.071314p-7f, 0x1.078acp-9f};
  const T a = abs(x);
  const T z = x * x;
  const T near = fma(z * a, detail::polynomial(z, kP), a);
  const T e = detail::exp_inside(smaller(T(10), a) * T(2));
  const T far = T(1) - T(2) / (e + T(1));
  return copysign(select(a < T(0.65f), near, far), x);
}

/// Logistic function 1 / (1 + e^-x).
template <FloatLanes T>
SOMA_MATH_INLINE T sigmoid(T x) {
  // never overflows; e / (1 + e) keeps small results accurate
  const T e = detail::exp_times_power(-abs(x), 0);
  return select(T(0) <= x, T(1), e) / (T(1) + e);
}

/// Error function.
template <FloatLanes T>
SOMA_MATH_INLINE T erf(T x) {
  static constexpr float kP[] = {0x1.06eba8p-3f, -0x1.812740p-2f,  0x1.ce2d64p-4f, -0x1.b8011ap-6f,
                                 0x1.544a1ap-8f, -0x1.a60a2ep-11f, 0x1.4f676p-14f};
  static constexpr float kTail[] = {0x1.0778dcp-3f,  0x1.45328ep-1f, 0x1.b32568p-4f,
                                    -0x1.855124p-6f, 0x1.dd6bc4p-9f, -0x1.5279dcp-12f,
                                    0x1.78d41p-17f};
  const T z = x * x;
  const T near = fma(x, detail::polynomial(z, kP), x);
  const T a = abs(x);
  const T t = smaller(T(4), a);
  const T far = T(1) - detail::exp_inside(fma(-t, detail::polynomial(t, kTail), -t));
  return select(a < T(0.925f), near, copysign(far, x));
}

/// log(1 + e^x).
template <FloatLanes T>
SOMA_MATH_INLINE T softplus(T x) {
  return select(x < T(0), T(0), x) + log1p(detail::exp_times_power(-abs(x), 0));
}

/// Sine and cosine of an angle in radians, of any size; NaN for infinities.
template <FloatLanes T>
SOMA_MATH_INLINE T sin(T x) {
  return select(x == T(0), x, detail::sin_turned(x, 0));
}
template <FloatLanes T>
SOMA_MATH_INLINE T cos(T x) {
  return detail::sin_turned(x, 1);
}

/// x where x > 0 or x is NaN, else +0.
template <class T>
requires(FloatLanes<T> || std::same_as<T, F64>) inline T relu(T x) {
  return select(x <= T(0), T(0), x);
}

/// 1 where x > 0, else 0, also for NaN.
template <class T>
requires(FloatLanes<T> || std::same_as<T, F64>) inline T relu_derivative(T x) {
  return select(T(0) < x, T(1), T(0));
}

/// e / (1 + e)^2 with e = exp(-|x|); accurate for large |x|, where y (1 - y) is not.
template <FloatLanes T>
SOMA_MATH_INLINE T sigmoid_derivative(T x) {
  const T e = detail::exp_times_power(-abs(x), 0);
  const T d = T(1) + e;
  return e / detail::square(d, e - (d - T(1)));
}

/// 4e / (1 + e)^2 with e = exp(-2|x|).
template <FloatLanes T>
SOMA_MATH_INLINE T tanh_derivative(T x) {
  const T e4 = detail::exp_times_power(abs(x) * T(-2), 2);
  const T d = fma(e4, T(0.25f), T(1));
  return e4 / detail::square(d, fma(e4, T(0.25f), T(1) - d));
}

/// 2 / sqrt(pi) * exp(-x^2).
template <FloatLanes T>
SOMA_MATH_INLINE T erf_derivative(T x) {
  const T a = abs(x);
  const T t = smaller(T(11), a);  // beyond, the result is 0
  const T square = t * t;
  const T lost = fma(t, t, -square);
  const T e = detail::exp_times_power(-square, 0);
  return T(0x1.20dd76p+0f) * fma(e, -lost, e);
}

// float64
inline F64 exp(F64 x) { return std::exp(x.v); }
inline F64 expm1(F64 x) { return std::expm1(x.v); }
inline F64 log(F64 x) { return std::log(x.v); }
inline F64 log1p(F64 x) { return std::log1p(x.v); }
inline F64 tanh(F64 x) { return std::tanh(x.v); }
inline F64 erf(F64 x) { return std::erf(x.v); }
inline F64 sin(F64 x) { return std::sin(x.v); }
inline F64 cos(F64 x) { return std::cos(x.v); }
inline F64 sigmoid(F64 x) {
  const double e = std::exp(-std::fabs(x.v));
  return (x.v >= 0 ? 1 : e) / (1 + e);
}
inline F64 softplus(F64 x) { return (x.v < 0 ? 0 : x.v) + std::log1p(std::exp(-std::fabs(x.v))); }
inline F64 sigmoid_derivative(F64 x) {
  const double e = std::exp(-std::fabs(x.v));
  return e / ((1 + e) * (1 + e));
}
inline F64 tanh_derivative(F64 x) {
  const double e = std::exp(-2 * std::fabs(x.v));
  return 4 * e / ((1 + e) * (1 + e));
}
inline F64 erf_derivative(F64 x) { return 1.1283791670955126 * std::exp(-x.v * x.v); }

// Built-in float and double, through their wrappers
#define SOMA_MATH_BUILT_IN(name)                        \
  inline float name(float x) { return name(F32(x)).v; } \
  inline double name(double x) { return name(F64(x)).v; }
SOMA_MATH_BUILT_IN(exp)
SOMA_MATH_BUILT_IN(expm1)
SOMA_MATH_BUILT_IN(log)
SOMA_MATH_BUILT_IN(log1p)
SOMA_MATH_BUILT_IN(tanh)
SOMA_MATH_BUILT_IN(sigmoid)
SOMA_MATH_BUILT_IN(erf)
SOMA_MATH_BUILT_IN(softplus)
SOMA_MATH_BUILT_IN(sin)
SOMA_MATH_BUILT_IN(cos)
SOMA_MATH_BUILT_IN(relu)
SOMA_MATH_BUILT_IN(relu_derivative)
SOMA_MATH_BUILT_IN(sigmoid_derivative)
SOMA_MATH_BUILT_IN(tanh_derivative)
SOMA_MATH_BUILT_IN(erf_derivative)
#undef SOMA_MATH_BUILT_IN

// Dual numbers: f(x), f'(x) dx
#define SOMA_MATH_DUAL(name, derivative_at_v)         \
  template <class T>                                  \
  inline Dual<T> name(Dual<T> x) {                    \
    const T v = x.value;                              \
    return {name(v), (derivative_at_v)*x.derivative}; \
  }
SOMA_MATH_DUAL(exp, exp(v))
SOMA_MATH_DUAL(expm1, exp(v))
SOMA_MATH_DUAL(log, T(1) / v)
SOMA_MATH_DUAL(log1p, T(1) / (T(1) + v))
SOMA_MATH_DUAL(tanh, tanh_derivative(v))
SOMA_MATH_DUAL(sigmoid, sigmoid_derivative(v))
SOMA_MATH_DUAL(erf, erf_derivative(v))
SOMA_MATH_DUAL(softplus, sigmoid(v))
SOMA_MATH_DUAL(sin, cos(v))
SOMA_MATH_DUAL(cos, -sin(v))
SOMA_MATH_DUAL(relu, relu_derivative(v))
#undef SOMA_MATH_DUAL

}  // namespace SOMA_MATH_ISA
}  // namespace soma::math
