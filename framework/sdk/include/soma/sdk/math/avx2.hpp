#pragma once

#include "soma/sdk/math/scalar.hpp"

/// Eight float32 in an AVX2 register; the operations are those of F32, lane by lane.
namespace soma::math {
inline namespace SOMA_MATH_ISA {

/// Eight truth values: all bits of a lane set, or none.
struct Mask8 {
  __m256 v;

  SOMA_MATH_INLINE friend Mask8 operator&&(Mask8 a, Mask8 b) { return {_mm256_and_ps(a.v, b.v)}; }
  SOMA_MATH_INLINE friend Mask8 operator||(Mask8 a, Mask8 b) { return {_mm256_or_ps(a.v, b.v)}; }
  SOMA_MATH_INLINE friend Mask8 operator!(Mask8 a) {
    return {_mm256_xor_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
  }
  SOMA_MATH_INLINE friend bool any(Mask8 a) { return _mm256_movemask_ps(a.v) != 0; }
};

struct I32x8 {
  __m256i v;

  I32x8() = default;
  SOMA_MATH_INLINE I32x8(__m256i x) : v(x) {}
  SOMA_MATH_INLINE I32x8(std::int32_t x) : v(_mm256_set1_epi32(x)) {}

  SOMA_MATH_INLINE friend I32x8 operator+(I32x8 a, I32x8 b) { return _mm256_add_epi32(a.v, b.v); }
  SOMA_MATH_INLINE friend I32x8 operator-(I32x8 a, I32x8 b) { return _mm256_sub_epi32(a.v, b.v); }
  SOMA_MATH_INLINE friend I32x8 operator&(I32x8 a, I32x8 b) { return _mm256_and_si256(a.v, b.v); }
  SOMA_MATH_INLINE friend I32x8 operator|(I32x8 a, I32x8 b) { return _mm256_or_si256(a.v, b.v); }
  SOMA_MATH_INLINE friend I32x8 operator^(I32x8 a, I32x8 b) { return _mm256_xor_si256(a.v, b.v); }
  SOMA_MATH_INLINE friend I32x8 operator<<(I32x8 a, int n) { return _mm256_slli_epi32(a.v, n); }
  SOMA_MATH_INLINE friend I32x8 operator>>(I32x8 a, int n) { return _mm256_srai_epi32(a.v, n); }
  SOMA_MATH_INLINE friend Mask8 operator==(I32x8 a, I32x8 b) {
    return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.v, b.v))};
  }
};

struct F32x8 : Arithmetic<F32x8> {
  using Scalar = float;
  using Mask = Mask8;
  using Int = I32x8;
  static constexpr int kLanes = 8;

  __m256 v;

  F32x8() = default;
  SOMA_MATH_INLINE F32x8(__m256 x) : v(x) {}
  template <Constant C>
  SOMA_MATH_INLINE F32x8(C x) : v(_mm256_set1_ps(static_cast<float>(x))) {}

  /// Any alignment. The partial forms touch the first min(n, 8) elements only; the other lanes are
  /// +0.
  SOMA_MATH_INLINE static F32x8 load(const float* p) { return _mm256_loadu_ps(p); }
  SOMA_MATH_INLINE static F32x8 load_partial(const float* p, std::int64_t n) {
    return _mm256_maskload_ps(p, first(n));
  }
  SOMA_MATH_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  /// Past the caches, to a multiple of the size of the lanes: _mm_sfence ends a run of these.
  SOMA_MATH_INLINE void stream(float* p) const { _mm256_stream_ps(p, v); }
  SOMA_MATH_INLINE void store_partial(float* p, std::int64_t n) const {
    _mm256_maskstore_ps(p, first(n), v);
  }
  /// This with +0 in all lanes but the first min(n, 8).
  SOMA_MATH_INLINE F32x8 keep_first(std::int64_t n) const {
    return _mm256_and_ps(v, _mm256_castsi256_ps(first(n)));
  }

  SOMA_MATH_INLINE friend F32x8 operator+(F32x8 a, F32x8 b) { return _mm256_add_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x8 operator-(F32x8 a, F32x8 b) { return _mm256_sub_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x8 operator*(F32x8 a, F32x8 b) { return _mm256_mul_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x8 operator/(F32x8 a, F32x8 b) { return _mm256_div_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x8 operator-(F32x8 a) {
    return _mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f));
  }
  SOMA_MATH_INLINE friend Mask8 operator<(F32x8 a, F32x8 b) {
    return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)};
  }
  SOMA_MATH_INLINE friend Mask8 operator<=(F32x8 a, F32x8 b) {
    return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)};
  }
  SOMA_MATH_INLINE friend Mask8 operator==(F32x8 a, F32x8 b) {
    return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)};
  }

  SOMA_MATH_INLINE friend F32x8 select(Mask8 m, F32x8 a, F32x8 b) {
    return _mm256_blendv_ps(b.v, a.v, m.v);
  }
  SOMA_MATH_INLINE friend F32x8 smaller(F32x8 a, F32x8 b) { return _mm256_min_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x8 larger(F32x8 a, F32x8 b) { return _mm256_max_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x8 fma(F32x8 a, F32x8 b, F32x8 c) {
    return _mm256_fmadd_ps(a.v, b.v, c.v);
  }
  SOMA_MATH_INLINE friend F32x8 abs(F32x8 a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v);
  }
  SOMA_MATH_INLINE friend F32x8 copysign(F32x8 a, F32x8 sign) {
    const __m256 bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(bit, a.v), _mm256_and_ps(bit, sign.v));
  }
  SOMA_MATH_INLINE friend F32x8 sqrt(F32x8 a) { return _mm256_sqrt_ps(a.v); }
  SOMA_MATH_INLINE friend F32x8 round_to_nearest_even(F32x8 a) {
    return _mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  SOMA_MATH_INLINE friend I32x8 bits(F32x8 a) { return _mm256_castps_si256(a.v); }
  SOMA_MATH_INLINE static F32x8 from_bits(I32x8 i) { return _mm256_castsi256_ps(i.v); }
  SOMA_MATH_INLINE friend I32x8 to_int(F32x8 a) { return _mm256_cvtps_epi32(a.v); }
  SOMA_MATH_INLINE static F32x8 from_int(I32x8 i) { return _mm256_cvtepi32_ps(i.v); }

 private:
  SOMA_MATH_INLINE static __m256i first(std::int64_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n < kLanes ? n : kLanes)), lane);
  }
};

/// Between two constants.
template <Constant A, Constant B>
SOMA_MATH_INLINE F32x8 select(Mask8 m, A a, B b) {
  return select(m, F32x8(a), F32x8(b));
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::math
