#pragma once

#include <immintrin.h>

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "soma/sdk/math/isa.hpp"

/// Scalar number types of the generic pointwise code, and the operations that every number type
/// shares.
///
/// A number type T is one of F32, F32x8, F32x16 (AVX-512 builds), F64 or Dual of one of these. All
/// offer: + - * / and their assigning forms, unary -, comparisons that give T::Mask, select(mask,
/// a, b), fma(a, b, c) (rounded once), min, max, abs, sqrt, round_to_nearest_even; the float32
/// types also smaller(a, b), which is select(a < b, a, b), and larger(a, b) alike. Constants mix in
/// freely (1 + x, x * 0.5) and are rounded to T's scalar type. The float32 types compute the same
/// bits for every input, denormals, zeros and infinities included; any NaN equals any NaN.
///
/// F32 and F64 wrap float and double so that an unqualified call, sin(x), finds the canonical
/// function through its argument and never the C library's.
namespace soma::math {
inline namespace SOMA_MATH_ISA {

/// Operations that follow from those of T itself; T derives from it.
template <class T>
struct Arithmetic {
  friend T& operator+=(T& a, T b) { return a = a + b; }
  friend T& operator-=(T& a, T b) { return a = a - b; }
  friend T& operator*=(T& a, T b) { return a = a * b; }
  friend T& operator/=(T& a, T b) { return a = a / b; }
  friend auto operator>(T a, T b) { return b < a; }
  friend auto operator>=(T a, T b) { return b <= a; }
  friend auto operator!=(T a, T b) { return !(a == b); }  // true where one is NaN
  /// The smaller / larger; NaN where one is NaN; b where both are equal, so max(x, 0) has
  /// derivative 0 at x = 0.
  friend T min(T a, T b) { return select(a < b || a != a, a, b); }
  friend T max(T a, T b) { return select(b < a || a != a, a, b); }
};

/// A type of constants that mix with number types.
template <class C>
concept Constant = std::is_arithmetic_v<C>;

/// One truth value about the scalar type T. No bool, so that generic code cannot branch on it.
template <class T>
struct ScalarMask {
  bool v;

  SOMA_MATH_INLINE friend ScalarMask operator&&(ScalarMask a, ScalarMask b) { return {a.v && b.v}; }
  SOMA_MATH_INLINE friend ScalarMask operator||(ScalarMask a, ScalarMask b) { return {a.v || b.v}; }
  SOMA_MATH_INLINE friend ScalarMask operator!(ScalarMask a) { return {!a.v}; }
  SOMA_MATH_INLINE friend bool any(ScalarMask a) { return a.v; }
};

struct F32;

/// 32 bits as an integer, for work on exponents: arithmetic modulo 2^32, >> keeps the sign.
struct I32 {
  std::int32_t v;

  I32() = default;
  SOMA_MATH_INLINE I32(std::int32_t x) : v(x) {}

  SOMA_MATH_INLINE friend I32 operator+(I32 a, I32 b) { return wrap(a.u() + b.u()); }
  SOMA_MATH_INLINE friend I32 operator-(I32 a, I32 b) { return wrap(a.u() - b.u()); }
  SOMA_MATH_INLINE friend I32 operator&(I32 a, I32 b) { return a.v & b.v; }
  SOMA_MATH_INLINE friend I32 operator|(I32 a, I32 b) { return a.v | b.v; }
  SOMA_MATH_INLINE friend I32 operator^(I32 a, I32 b) { return a.v ^ b.v; }
  SOMA_MATH_INLINE friend I32 operator<<(I32 a, int n) { return wrap(a.u() << n); }
  SOMA_MATH_INLINE friend I32 operator>>(I32 a, int n) { return a.v >> n; }
  SOMA_MATH_INLINE friend ScalarMask<F32> operator==(I32 a, I32 b) { return {a.v == b.v}; }

 private:
  SOMA_MATH_INLINE std::uint32_t u() const { return static_cast<std::uint32_t>(v); }
  SOMA_MATH_INLINE static I32 wrap(std::uint32_t x) { return static_cast<std::int32_t>(x); }
};

/// One float32.
struct F32 : Arithmetic<F32> {
  using Scalar = float;
  using Mask = ScalarMask<F32>;
  using Int = I32;
  static constexpr int kLanes = 1;

  float v;

  F32() = default;
  template <Constant C>
  SOMA_MATH_INLINE F32(C x) : v(static_cast<float>(x)) {}

  SOMA_MATH_INLINE static F32 load(const float* p) { return *p; }
  SOMA_MATH_INLINE static F32 load_partial(const float* p, std::int64_t n) {
    return n > 0 ? *p : 0.0f;
  }
  SOMA_MATH_INLINE void store(float* p) const { *p = v; }
  SOMA_MATH_INLINE void store_partial(float* p, std::int64_t n) const {
    if (n > 0) *p = v;
  }

  SOMA_MATH_INLINE friend F32 operator+(F32 a, F32 b) { return a.v + b.v; }
  SOMA_MATH_INLINE friend F32 operator-(F32 a, F32 b) { return a.v - b.v; }
  SOMA_MATH_INLINE friend F32 operator*(F32 a, F32 b) { return a.v * b.v; }
  SOMA_MATH_INLINE friend F32 operator/(F32 a, F32 b) { return a.v / b.v; }
  SOMA_MATH_INLINE friend F32 operator-(F32 a) { return -a.v; }
  SOMA_MATH_INLINE friend Mask operator<(F32 a, F32 b) { return {a.v < b.v}; }
  SOMA_MATH_INLINE friend Mask operator<=(F32 a, F32 b) { return {a.v <= b.v}; }
  SOMA_MATH_INLINE friend Mask operator==(F32 a, F32 b) { return {a.v == b.v}; }

  SOMA_MATH_INLINE friend F32 select(Mask m, F32 a, F32 b) { return m.v ? a : b; }
  SOMA_MATH_INLINE friend F32 smaller(F32 a, F32 b) { return a.v < b.v ? a : b; }
  SOMA_MATH_INLINE friend F32 larger(F32 a, F32 b) { return a.v > b.v ? a : b; }
  SOMA_MATH_INLINE friend F32 fma(F32 a, F32 b, F32 c) { return __builtin_fmaf(a.v, b.v, c.v); }
  SOMA_MATH_INLINE friend F32 abs(F32 a) { return __builtin_fabsf(a.v); }
  SOMA_MATH_INLINE friend F32 copysign(F32 a, F32 sign) { return __builtin_copysignf(a.v, sign.v); }
  SOMA_MATH_INLINE friend F32 sqrt(F32 a) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a.v))); }
  SOMA_MATH_INLINE friend F32 round_to_nearest_even(F32 a) {
    const __m128 x = _mm_set_ss(a.v);
    return _mm_cvtss_f32(_mm_round_ss(x, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  SOMA_MATH_INLINE friend I32 bits(F32 a) { return std::bit_cast<std::int32_t>(a.v); }
  SOMA_MATH_INLINE static F32 from_bits(I32 i) { return std::bit_cast<float>(i.v); }
  /// Rounded to nearest even; 0x80000000 outside the range and for NaN.
  SOMA_MATH_INLINE friend I32 to_int(F32 a) { return _mm_cvtss_si32(_mm_set_ss(a.v)); }
  SOMA_MATH_INLINE static F32 from_int(I32 i) { return static_cast<float>(i.v); }
};

/// One float64: the oracle's number type; its elementary functions are the C library's.
struct F64 : Arithmetic<F64> {
  using Scalar = double;
  using Mask = ScalarMask<F64>;
  static constexpr int kLanes = 1;

  double v;

  F64() = default;
  template <Constant C>
  SOMA_MATH_INLINE F64(C x) : v(static_cast<double>(x)) {}

  SOMA_MATH_INLINE static F64 load(const double* p) { return *p; }
  SOMA_MATH_INLINE static F64 load_partial(const double* p, std::int64_t n) {
    return n > 0 ? *p : 0.0;
  }
  SOMA_MATH_INLINE void store(double* p) const { *p = v; }
  SOMA_MATH_INLINE void store_partial(double* p, std::int64_t n) const {
    if (n > 0) *p = v;
  }

  SOMA_MATH_INLINE friend F64 operator+(F64 a, F64 b) { return a.v + b.v; }
  SOMA_MATH_INLINE friend F64 operator-(F64 a, F64 b) { return a.v - b.v; }
  SOMA_MATH_INLINE friend F64 operator*(F64 a, F64 b) { return a.v * b.v; }
  SOMA_MATH_INLINE friend F64 operator/(F64 a, F64 b) { return a.v / b.v; }
  SOMA_MATH_INLINE friend F64 operator-(F64 a) { return -a.v; }
  SOMA_MATH_INLINE friend Mask operator<(F64 a, F64 b) { return {a.v < b.v}; }
  SOMA_MATH_INLINE friend Mask operator<=(F64 a, F64 b) { return {a.v <= b.v}; }
  SOMA_MATH_INLINE friend Mask operator==(F64 a, F64 b) { return {a.v == b.v}; }

  SOMA_MATH_INLINE friend F64 select(Mask m, F64 a, F64 b) { return m.v ? a : b; }
  SOMA_MATH_INLINE friend F64 fma(F64 a, F64 b, F64 c) { return __builtin_fma(a.v, b.v, c.v); }
  SOMA_MATH_INLINE friend F64 abs(F64 a) { return __builtin_fabs(a.v); }
  SOMA_MATH_INLINE friend F64 copysign(F64 a, F64 sign) { return __builtin_copysign(a.v, sign.v); }
  SOMA_MATH_INLINE friend F64 sqrt(F64 a) { return std::sqrt(a.v); }
  SOMA_MATH_INLINE friend F64 round_to_nearest_even(F64 a) {
    const __m128d x = _mm_set_sd(a.v);
    return _mm_cvtsd_f64(_mm_round_sd(x, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
};

/// Between two constants.
template <class T, Constant A, Constant B>
SOMA_MATH_INLINE T select(ScalarMask<T> m, A a, B b) {
  return select(m, T(a), T(b));
}

/// The wrapper of a built-in floating type.
template <std::floating_point C>
using Wrapped = std::conditional_t<std::same_as<C, float>, F32, F64>;

// The shared operations for plain float and double, so that T may be one of these too.
template <std::floating_point C>
SOMA_MATH_INLINE C select(bool m, C a, C b) {
  return m ? a : b;
}
template <std::floating_point C>
SOMA_MATH_INLINE C fma(C a, C b, C c) {
  return fma(Wrapped<C>(a), Wrapped<C>(b), Wrapped<C>(c)).v;
}
template <std::floating_point C>
SOMA_MATH_INLINE C min(C a, C b) {
  return min(Wrapped<C>(a), Wrapped<C>(b)).v;
}
template <std::floating_point C>
SOMA_MATH_INLINE C max(C a, C b) {
  return max(Wrapped<C>(a), Wrapped<C>(b)).v;
}
template <std::floating_point C>
SOMA_MATH_INLINE C abs(C a) {
  return abs(Wrapped<C>(a)).v;
}
template <std::floating_point C>
SOMA_MATH_INLINE C copysign(C a, C sign) {
  return copysign(Wrapped<C>(a), Wrapped<C>(sign)).v;
}
template <std::floating_point C>
SOMA_MATH_INLINE C sqrt(C a) {
  return sqrt(Wrapped<C>(a)).v;
}
template <std::floating_point C>
SOMA_MATH_INLINE C round_to_nearest_even(C a) {
  return round_to_nearest_even(Wrapped<C>(a)).v;
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::math
