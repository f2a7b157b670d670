#pragma once

#include <cstdint>

#include "soma/sdk/math/lanes.hpp"

/// Argument reductions shared by the canonical functions. Internal to soma/sdk/math.
///
/// Constants come in two or three float32 parts that add up to more than 48 bits, after Cody &
/// Waite, Software Manual for the Elementary Functions (1980); sums that must not lose bits use
/// Fast2Sum and TwoSum, Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., chapter 4.
/// Polynomial coefficients are made by tests/framework/math/fit_polynomials.py.
namespace soma::math {
inline namespace SOMA_MATH_ISA {
namespace detail {

inline constexpr float kLog2e = 0x1.715476p+0f;
inline constexpr float kLn2Hi = 0x1.62e4p-1f;  // 16 bits: times an exponent it stays exact
inline constexpr float kLn2Lo = 0x1.7f7d1cp-20f;
inline constexpr float kInfinity = __builtin_inff();
inline constexpr float kNan = __builtin_nanf("");

/// c[0] + c[1] x + ... by Horner's rule, fused.
template <class T, int N>
SOMA_MATH_INLINE T polynomial(T x, const float (&c)[N]) {
  T sum = c[N - 1];
  for (int i = N - 2; i >= 0; --i) sum = fma(sum, x, T(c[i]));
  return sum;
}

/// (x + lost)^2, rounded once but for the square of a small `lost`.
template <FloatLanes T>
SOMA_MATH_INLINE T square(T x, T lost) {
  return fma(x, x, (x + x) * lost);
}

/// 2^n for whole n in [-126, 127].
template <FloatLanes T>
SOMA_MATH_INLINE T power_of_two(typename T::Int n) {
  return T::from_bits((n + typename T::Int(127)) << 23);
}

/// x * 2^n for whole n in [-252, 254], rounded once, and that only where the result is denormal.
template <FloatLanes T>
SOMA_MATH_INLINE T scale(T x, T n) {
  if constexpr (requires { scalef(x, n); }) {
    return scalef(x, n);
  } else {
    const auto whole = to_int(n), half = whole >> 1;
    return x * power_of_two<T>(half) * power_of_two<T>(whole - half);
  }
}
/// The same where 2^n and the result are normal numbers.
template <FloatLanes T>
SOMA_MATH_INLINE T scale_inside(T x, T n) {
  if constexpr (requires { scalef(x, n); }) {
    return scalef(x, n);
  } else {
    return x * power_of_two<T>(to_int(n));
  }
}

/// exp(x) = 2^n (1 + r + tail) with whole n and |r| <= 0.35; |x| <= 105.
template <FloatLanes T>
struct ExpReduction {
  T n, r, tail;
};

/// r^2 q(r), so that exp(r) = 1 + r + r^2 q(r).
template <FloatLanes T>
SOMA_MATH_INLINE T exp_tail(T r) {
  static constexpr float kQ[] = {0.5f,           0x1.55552cp-3f,  0x1.555502p-5f,
                                 0x1.1155a8p-7f, 0x1.6d2e46p-10f, 0x1.3ae7cep-13f};
  return r * r * polynomial(r, kQ);
}

/// Without what r lost to rounding: enough where 1 is added to it.
template <FloatLanes T>
SOMA_MATH_INLINE ExpReduction<T> reduce_exp(T x) {
  const T n = round_to_nearest_even(x * T(kLog2e));
  const T r = fma(n, T(-kLn2Lo), fma(n, T(-kLn2Hi), x));
  return {n, r, exp_tail(r)};
}

/// With what r lost to rounding in the tail.
template <FloatLanes T>
SOMA_MATH_INLINE ExpReduction<T> reduce_exp_precisely(T x) {
  const T n = round_to_nearest_even(x * T(kLog2e));
  const T high = fma(n, T(-kLn2Hi), x);  // exact
  const T r = fma(n, T(-kLn2Lo), high);
  const T lost = fma(n, T(-kLn2Lo), high - r);
  return {n, r, exp_tail(r) + lost};
}

/// exp(x) * 2^k, denormal results rounded once more; x <= 0 or NaN, or x <= 90 and k = 0.
template <FloatLanes T>
SOMA_MATH_INLINE T exp_times_power(T x, int k) {
  // Below -106 it is 0, and by selection: computing it would underflow, which costs the CPU a
  // hundred cycles for each -inf of a masked row.
  const auto vanishing = x < T(-106);
  const auto e = reduce_exp(select(vanishing, T(0), x));
  const T y = scale(T(1) + (e.r + e.tail), k == 0 ? e.n : e.n + T(k));
  return select(vanishing, T(0), y);
}

/// exp(x) for x in [-87, 87], where no intermediate leaves the normal range.
template <FloatLanes T>
SOMA_MATH_INLINE T exp_inside(T x) {
  const auto e = reduce_exp(x);
  return scale_inside(T(1) + (e.r + e.tail), e.n);
}

/// e ln2 + log(1 + f + f_lost) for f in [-1/3, 1/3] and whole |e| <= 256.
template <FloatLanes T>
SOMA_MATH_INLINE T log_sum(T e, T f, T f_lost) {
  static constexpr float kP[] = {0x1.555558p-2f,  -0x1.fffef8p-3f, 0x1.99968p-3f,
                                 -0x1.559dc4p-3f, 0x1.251596p-3f,  -0x1.f2f534p-4f,
                                 0x1.b54b12p-4f,  -0x1.090162p-3f, 0x1.f9814p-4f};
  const T tail = f * f * fma(f, polynomial(f, kP), T(-0.5f)) + f_lost;
  const T high = e * T(kLn2Hi);  // exact; 0 or larger than f
  const T sum = high + f;
  const T lost = f - (sum - high);
  return sum + (lost + fma(e, T(kLn2Lo), tail));
}

/// x = q pi/2 + r + r_lost with whole q (taken modulo 4) and |r| <= 0.8.
template <FloatLanes T>
struct QuarterTurns {
  typename T::Int q;
  T r, r_lost;
};

/// The reduction for |x| >= 2^16, any finite value: x * 2/pi modulo 4 in 64-bit fixed point, from
/// the 96 bits of 2/pi that matter for the exponent of x. NaN for infinities.
/// Source: Payne & Hanek, ACM SIGNUM Newsletter 18(1), 1983.
inline void reduce_huge(float x, float& q, float& r, float& r_lost) {
  // 2/pi, 32 bits a word, after one word of zeros
  static constexpr std::uint64_t kTwoOverPi[] = {0x00000000, 0xa2f9836e, 0x4e441529,
                                                 0xfc2757d1, 0xf534ddc0, 0xdb629599,
                                                 0x3c439041, 0xfe5163ab, 0xdebbc561};
  const std::uint32_t b = std::bit_cast<std::uint32_t>(x);
  const int exponent = static_cast<int>(b >> 23 & 255);
  if (exponent == 255) {
    q = 0;
    r = r_lost = kNan;
    return;
  }
  // |x| = m 2^(exponent - 150); bits of 2/pi that give multiples of 4 are passed over
  const std::uint64_t m = (b & 0x7fffff) | 0x800000;
  const int skipped = exponent - 150 - 2 + 32;
  const int word = skipped >> 5, shift = skipped & 31;
  auto window = [&](int i) {
    const std::uint64_t pair = kTwoOverPi[word + i] << 32 | kTwoOverPi[word + i + 1];
    return pair >> (32 - shift) & 0xffffffff;
  };
  const std::uint64_t turns = (m * window(0) << 32) + m * window(1) + (m * window(2) >> 32);
  const std::uint64_t quadrant = (turns + (std::uint64_t{1} << 61)) >> 62;
  const auto rest = static_cast<std::int64_t>(turns - (quadrant << 62));  // in units of pi/2 2^-62
  const double sign = b >> 31 != 0 ? -1.0 : 1.0;
  const double angle = sign * static_cast<double>(rest) * 0x1.921fb54442d18p-62;
  q = static_cast<float>(sign * static_cast<double>(quadrant));
  r = static_cast<float>(angle);
  r_lost = static_cast<float>(angle - r);
}

template <FloatLanes T>
SOMA_MATH_INLINE QuarterTurns<T> reduce_quarter_turns(T x) {
  constexpr float kHalfPi1 = 0x1.921fb6p+0f, kHalfPi2 = -0x1.777a5cp-25f,
                  kHalfPi3 = -0x1.ee59dap-50f;
  constexpr float kFar = 65536.0f;
  T q = round_to_nearest_even(x * T(0x1.45f306p-1f));
  // The first step is exact; the second is a TwoSum, for the first may cancel to nearly nothing.
  const T high = fma(q, T(-kHalfPi1), x);
  const T middle = q * T(-kHalfPi2);
  const T middle_lost = fma(q, T(-kHalfPi2), -middle);
  T r = high + middle;
  const T part = r - high;
  T r_lost = (high - (r - part)) + (middle - part);
  r_lost = fma(q, T(-kHalfPi3), r_lost + middle_lost);

  const auto far = T(kFar) <= abs(x);
  if (any(far)) [[unlikely]] {
    float xs[T::kLanes], qs[T::kLanes], rs[T::kLanes], ls[T::kLanes];
    x.store(xs);
    q.store(qs);
    r.store(rs);
    r_lost.store(ls);
    for (int i = 0; i < T::kLanes; ++i) {
      if (__builtin_fabsf(xs[i]) >= kFar) reduce_huge(xs[i], qs[i], rs[i], ls[i]);
    }
    q = T::load(qs);
    r = T::load(rs);
    r_lost = T::load(ls);
  }
  return {to_int(q), r, r_lost};
}

/// sin(x + quarter_turns * pi/2), NaN for infinities.
template <FloatLanes T>
SOMA_MATH_INLINE T sin_turned(T x, int quarter_turns) {
  using Int = typename T::Int;
  static constexpr float kSin[] = {-0x1.555556p-3f, 0x1.111172p-7f, -0x1.a056a2p-13f,
                                   0x1.7b5852p-19f};
  static constexpr float kCos[] = {0x1.55554ap-5f, -0x1.6c0c14p-10f, 0x1.99de6ap-16f};
  const auto [turns, r, r_lost] = reduce_quarter_turns(x);
  const Int q = turns + Int(quarter_turns);
  const T z = r * r;
  const T sine = r + fma(z * r, polynomial(z, kSin), r_lost);
  // 1 - z/2 loses at most half an ulp of 1, which is added back
  const T half = z * T(0.5f);
  const T top = T(1) - half;
  const T cosine = top + (((T(1) - top) - half) + fma(z * z, polynomial(z, kCos), -(r * r_lost)));
  const T y = select((q & Int(1)) == Int(0), sine, cosine);
  return T::from_bits(bits(y) ^ ((q & Int(2)) << 30));
}

}  // namespace detail
}  // namespace SOMA_MATH_ISA
}  // namespace soma::math
