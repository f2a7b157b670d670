#pragma once

#include "soma/sdk/math/scalar.hpp"

/// Sixteen float32 in an AVX-512 register (foundation instructions only); the operations are those
/// of F32, lane by lane. Empty unless the compiler may use AVX-512.
#if defined(__AVX512F__)

namespace soma::math {
inline namespace SOMA_MATH_ISA {

/// Sixteen truth values, lane i in bit i.
struct Mask16 {
  __mmask16 v;

  SOMA_MATH_INLINE friend Mask16 operator&&(Mask16 a, Mask16 b) { return of(a.v & b.v); }
  SOMA_MATH_INLINE friend Mask16 operator||(Mask16 a, Mask16 b) { return of(a.v | b.v); }
  SOMA_MATH_INLINE friend Mask16 operator!(Mask16 a) { return of(a.v ^ 0xffff); }
  SOMA_MATH_INLINE friend bool any(Mask16 a) { return a.v != 0; }
  SOMA_MATH_INLINE static Mask16 of(int m) { return {static_cast<__mmask16>(m)}; }
};

// Where an intrinsic is used in its masked form with a full mask: the plain one starts from an
// undefined register in g++ 12, which then warns about it.
struct I32x16 {
  __m512i v;

  I32x16() = default;
  SOMA_MATH_INLINE I32x16(__m512i x) : v(x) {}
  SOMA_MATH_INLINE I32x16(std::int32_t x) : v(_mm512_set1_epi32(x)) {}

  SOMA_MATH_INLINE friend I32x16 operator+(I32x16 a, I32x16 b) {
    return _mm512_add_epi32(a.v, b.v);
  }
  SOMA_MATH_INLINE friend I32x16 operator-(I32x16 a, I32x16 b) {
    return _mm512_sub_epi32(a.v, b.v);
  }
  SOMA_MATH_INLINE friend I32x16 operator&(I32x16 a, I32x16 b) {
    return _mm512_and_si512(a.v, b.v);
  }
  SOMA_MATH_INLINE friend I32x16 operator|(I32x16 a, I32x16 b) { return _mm512_or_si512(a.v, b.v); }
  SOMA_MATH_INLINE friend I32x16 operator^(I32x16 a, I32x16 b) {
    return _mm512_xor_si512(a.v, b.v);
  }
  SOMA_MATH_INLINE friend I32x16 operator<<(I32x16 a, int n) {
    return _mm512_maskz_slli_epi32(0xffff, a.v, static_cast<unsigned>(n));
  }
  SOMA_MATH_INLINE friend I32x16 operator>>(I32x16 a, int n) {
    return _mm512_maskz_srai_epi32(0xffff, a.v, static_cast<unsigned>(n));
  }
  SOMA_MATH_INLINE friend Mask16 operator==(I32x16 a, I32x16 b) {
    return {_mm512_cmpeq_epi32_mask(a.v, b.v)};
  }
};

struct F32x16 : Arithmetic<F32x16> {
  using Scalar = float;
  using Mask = Mask16;
  using Int = I32x16;
  static constexpr int kLanes = 16;

  __m512 v;

  F32x16() = default;
  SOMA_MATH_INLINE F32x16(__m512 x) : v(x) {}
  template <Constant C>
  SOMA_MATH_INLINE F32x16(C x) : v(_mm512_set1_ps(static_cast<float>(x))) {}

  /// Any alignment. The partial forms touch the first min(n, 16) elements only; the other lanes are
  /// +0.
  SOMA_MATH_INLINE static F32x16 load(const float* p) { return _mm512_loadu_ps(p); }
  SOMA_MATH_INLINE static F32x16 load_partial(const float* p, std::int64_t n) {
    return _mm512_maskz_loadu_ps(first(n), p);
  }
  SOMA_MATH_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  /// Past the caches, to a multiple of the size of the lanes: _mm_sfence ends a run of these.
  SOMA_MATH_INLINE void stream(float* p) const { _mm512_stream_ps(p, v); }
  SOMA_MATH_INLINE void store_partial(float* p, std::int64_t n) const {
    _mm512_mask_storeu_ps(p, first(n), v);
  }
  /// This with +0 in all lanes but the first min(n, 16).
  SOMA_MATH_INLINE F32x16 keep_first(std::int64_t n) const {
    return _mm512_maskz_mov_ps(first(n), v);
  }

  SOMA_MATH_INLINE friend F32x16 operator+(F32x16 a, F32x16 b) { return _mm512_add_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x16 operator-(F32x16 a, F32x16 b) { return _mm512_sub_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x16 operator*(F32x16 a, F32x16 b) { return _mm512_mul_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x16 operator/(F32x16 a, F32x16 b) { return _mm512_div_ps(a.v, b.v); }
  SOMA_MATH_INLINE friend F32x16 operator-(F32x16 a) { return from_bits(bits(a) ^ kSign); }
  SOMA_MATH_INLINE friend Mask16 operator<(F32x16 a, F32x16 b) {
    return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
  }
  SOMA_MATH_INLINE friend Mask16 operator<=(F32x16 a, F32x16 b) {
    return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)};
  }
  SOMA_MATH_INLINE friend Mask16 operator==(F32x16 a, F32x16 b) {
    return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)};
  }

  SOMA_MATH_INLINE friend F32x16 select(Mask16 m, F32x16 a, F32x16 b) {
    return _mm512_mask_blend_ps(m.v, b.v, a.v);
  }
  SOMA_MATH_INLINE friend F32x16 smaller(F32x16 a, F32x16 b) {
    return _mm512_maskz_min_ps(0xffff, a.v, b.v);
  }
  SOMA_MATH_INLINE friend F32x16 larger(F32x16 a, F32x16 b) {
    return _mm512_maskz_max_ps(0xffff, a.v, b.v);
  }
  /// a * 2^n for whole n, rounded once.
  SOMA_MATH_INLINE friend F32x16 scalef(F32x16 a, F32x16 n) {
    return _mm512_maskz_scalef_ps(0xffff, a.v, n.v);
  }
  SOMA_MATH_INLINE friend F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
    return _mm512_fmadd_ps(a.v, b.v, c.v);
  }
  SOMA_MATH_INLINE friend F32x16 abs(F32x16 a) { return from_bits(bits(a) & ~kSign); }
  SOMA_MATH_INLINE friend F32x16 copysign(F32x16 a, F32x16 sign) {
    return from_bits((bits(a) & ~kSign) | (bits(sign) & kSign));
  }
  SOMA_MATH_INLINE friend F32x16 sqrt(F32x16 a) { return _mm512_maskz_sqrt_ps(0xffff, a.v); }
  SOMA_MATH_INLINE friend F32x16 round_to_nearest_even(F32x16 a) {
    return _mm512_maskz_roundscale_ps(0xffff, a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  SOMA_MATH_INLINE friend I32x16 bits(F32x16 a) { return _mm512_castps_si512(a.v); }
  SOMA_MATH_INLINE static F32x16 from_bits(I32x16 i) { return _mm512_castsi512_ps(i.v); }
  SOMA_MATH_INLINE friend I32x16 to_int(F32x16 a) { return _mm512_maskz_cvtps_epi32(0xffff, a.v); }
  SOMA_MATH_INLINE static F32x16 from_int(I32x16 i) {
    return _mm512_maskz_cvtepi32_ps(0xffff, i.v);
  }

 private:
  static constexpr std::int32_t kSign = INT32_MIN;

  SOMA_MATH_INLINE static __mmask16 first(std::int64_t n) {
    return static_cast<__mmask16>(n < kLanes ? (1u << n) - 1 : 0xffffu);
  }
};

/// Between two constants.
template <Constant A, Constant B>
SOMA_MATH_INLINE F32x16 select(Mask16 m, A a, B b) {
  return select(m, F32x16(a), F32x16(b));
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::math

#endif
