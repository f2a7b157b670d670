#pragma once

#include "soma/sdk/math/reduction.hpp"

/// What the gates of gates.hpp share. Internal to soma/sdk/math; sources as in reduction.hpp.
namespace soma::math {
inline namespace SOMA_MATH_ISA {
namespace detail {

/// A number and what it lost to rounding.
template <FloatLanes T>
struct Split {
  T high, lost;
};

/// a + b, |a| >= |b| or their sum's last bit no finer than both: Fast2Sum.
template <FloatLanes T>
SOMA_MATH_INLINE Split<T> split_sum(T a, T b) {
  const T sum = a + b;
  return {sum, b - (sum - a)};
}
template <FloatLanes T>
SOMA_MATH_INLINE Split<T> split_product(Split<T> a, Split<T> b) {
  const T product = a.high * b.high;
  return {product, fma(a.high, b.lost, fma(a.lost, b.high, fma(a.high, b.high, -product)))};
}
/// x * over / under, rounded once but for what is small in everything lost.
template <FloatLanes T>
SOMA_MATH_INLINE T split_quotient(T x, Split<T> over, Split<T> under) {
  const T inverse = T(1) / under.high;
  const T share = over.high * inverse;
  const T left = fma(-share, under.high, over.high) + fma(-share, under.lost, over.lost);
  const T share_lost = left * inverse;
  return fma(x, share, x * share_lost);
}

/// exp(x) = m * 2^n with whole n and m in [0.7, 1.42].
template <FloatLanes T>
struct ExpParts {
  Split<T> m;
  T n;

  /// 2^n, but at least 2^-40: for numbers to be added to 1 or more, so that none is denormal.
  SOMA_MATH_INLINE T power_beside_one() const { return scale_inside(T(1), larger(T(-40), n)); }
  SOMA_MATH_INLINE Split<T> beside_one() const {
    const T power = power_beside_one();
    return {m.high * power, m.lost * power};
  }
};

/// The parts of exp(x + lost) for x in [-175, 0] and |lost| < 2^-16.
template <FloatLanes T>
SOMA_MATH_INLINE ExpParts<T> exp_parts(T x, T lost) {
  const T n = round_to_nearest_even(x * T(kLog2e));
  const T r = fma(n, T(-kLn2Lo), fma(n, T(-kLn2Hi), x) + lost);
  return {split_sum(T(1), r + exp_tail(r)), n};
}

/// Beyond this the tails of the gates are 0: |v * derivative of v| exp(-|v|) < 2^-150.
inline constexpr float kGateEnd = 110;

template <FloatLanes T>
SOMA_MATH_INLINE T at_most(T most, T x) {
  return smaller(most, x);
}

/// y * 2^n where x < 0, else y; and its ends: beyond them -0 or `above`. No underflow but of y.
template <FloatLanes T, class Mask>
SOMA_MATH_INLINE T finish_gate(T x, T y, T n, Mask beyond, T above) {
  const auto negative = x < T(0);
  const T inside = scale(y, select(negative && !beyond, n, T(0)));
  return select(beyond, select(negative, T(-0.0f), above), inside);
}

template <FloatLanes T>
SOMA_MATH_INLINE Split<T> choose(typename T::Mask m, Split<T> a, Split<T> b) {
  return {select(m, a.high, b.high), select(m, a.lost, b.lost)};
}

/// x / (1 + exp(-v - v_lost)), where x and v have one sign.
template <FloatLanes T>
SOMA_MATH_INLINE T logistic_gate(T x, T v, T v_lost) {
  const T a = abs(v);
  const auto negative = v < T(0);
  const auto e = exp_parts(-at_most(T(kGateEnd), a), select(negative, v_lost, -v_lost));
  const Split<T> beside = e.beside_one();
  Split<T> under = split_sum(T(1), beside.high);
  under.lost += beside.lost;
  const T y = split_quotient(x, choose(negative, e.m, Split<T>{T(1), T(0)}), under);
  return finish_gate(x, y, e.n, T(kGateEnd) < a, x);
}

/// s + h s (1 - s) with s = 1 / (1 + exp(-v - v_lost)), where h and v have one sign.
template <FloatLanes T>
SOMA_MATH_INLINE T logistic_gate_derivative(T h, T v, T v_lost) {
  const T a = abs(v);
  const auto negative = v < T(0);
  const auto e = exp_parts(-at_most(T(kGateEnd), a), select(negative, v_lost, -v_lost));
  const T beside = e.beside_one().high;
  const T d = T(1) / (T(1) + beside);
  const T sum = fma(h, select(negative, d, beside * d), T(1));
  const T y = select(negative, e.m.high * d, d) * select(!negative && e.n < T(-40), T(1), sum);
  return finish_gate(v, y, e.n, T(kGateEnd) < a, T(1));
}

/// What follows from a = |x| for the normal distribution: exp(-a^2/2) = e.m * 2^e.n and its tail
/// Q(a) = e.m * mills * 2^e.n.
template <FloatLanes T>
struct NormalTail {
  ExpParts<T> e;
  Split<T> mills;
};

/// Beyond this x * exp(-x^2/2) rounds to 0.
inline constexpr float kNormalEnd = 14.6f;

/// a <= kNormalEnd.
template <FloatLanes T>
SOMA_MATH_INLINE NormalTail<T> normal_tail(T a) {
  // Q(a) exp(a^2/2) = q R(1 - 5.25q) with q = 1 / (a + 2.625), R(s) = kFirst + s p(s)
  constexpr float kFirst = 0x1.6d2048p-1f;
  static constexpr float kP[] = {-0x1.d1b4f6p-2f, 0x1.426e90p-3f,   -0x1.7e0a8ap-9f,
                                 -0x1.195b46p-6f, 0x1.acf9a0p-11f,  0x1.63ac92p-9f,
                                 0x1.d546b2p-13f, -0x1.a8e54cp-12f, -0x1.06ac20p-13f};
  const T z = a * a * T(-0.5f);
  const T z_lost = fma(a, a, z + z) * T(-0.5f);
  const T d = a + T(2.625f);
  const T d_lost = a - (d - T(2.625f));
  const T q = T(1) / d;
  const T s = fma(q, T(-5.25f), T(1));
  // The error of q, times how the whole depends on it: about 1.5 - s/2.
  const T q_lost = fma(-q, d_lost, fma(-q, d, T(1))) * fma(s, T(-0.5f), T(1.5f));
  const T p = polynomial(s, kP);
  const T r = fma(s, p, T(kFirst));
  const Split<T> rest{r, fma(s, p, T(kFirst) - r)};
  return {exp_parts(z, z_lost + q_lost), split_product(rest, Split<T>{q, T(0)})};
}

/// 2 sqrt(2/pi) (x + 0.044715 x^3) and what it lost to rounding; |x| <= 12.
template <FloatLanes T>
SOMA_MATH_INLINE T gelu_tanh_angle(T x, T& lost) {
  constexpr float kA = 0x1.988454p+0f, kALost = -0x1.857936p-25f, kB = 0x1.2444f2p-4f,
                  kBLost = 0x1.49b16ap-29f;
  const T z = x * x;
  const T cubic = z * T(kB);
  const T cubic_lost = fma(fma(x, x, -z), T(kB), fma(z, T(kBLost), fma(z, T(kB), -cubic)));
  const T sum = cubic + T(kA);  // TwoSum: either may be the larger
  const T part = sum - cubic;
  const T sum_lost = (cubic - (sum - part)) + (T(kA) - part) + (cubic_lost + T(kALost));
  const T v = x * sum;
  lost = fma(x, sum_lost, fma(x, sum, -v));
  return v;
}

/// For e = exp(-|x|): `near` is 2 + e below zero and 1 + 2e above; mish(x) = x e near / under
/// below and x near / under above, with under = 2 + e (2 + e) and 1 + 2e + 2e^2.
template <FloatLanes T>
struct MishTerms {
  ExpParts<T> e;
  Split<T> near, under;
};
template <FloatLanes T>
SOMA_MATH_INLINE MishTerms<T> mish_terms(T x) {
  const auto negative = x < T(0);
  const auto parts = exp_parts(-at_most(T(kGateEnd), abs(x)), T(0));
  const Split<T> e = parts.beside_one();
  const T factor = select(negative, T(1), T(2)), start = select(negative, T(2), T(1));
  Split<T> near = split_sum(start, factor * e.high);
  near.lost = fma(factor, e.lost, near.lost);
  const Split<T> part =
      split_product(e, choose(negative, near, Split<T>{e.high + e.high, e.lost + e.lost}));
  const Split<T> first = choose(negative, Split<T>{T(2), T(0)}, near);
  Split<T> under = split_sum(first.high, part.high);
  under.lost += first.lost + part.lost;
  return {parts, near, under};
}

}  // namespace detail
}  // namespace SOMA_MATH_ISA
}  // namespace soma::math
