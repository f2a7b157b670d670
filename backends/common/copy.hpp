#pragma once

#include <immintrin.h>

#include <cstdint>

namespace soma::common {

/// Mask of the first n lanes of eight, 0 <= n <= 8.
inline __m256i first_lanes(std::int64_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

/// Copies n floats between buffers that do not overlap. Short runs are what packing is made of, and
/// there a call of memcpy costs more than the copy.
inline void copy_floats(const float* from, float* to, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, _mm256_loadu_ps(from + i));
  if (i < n) {
    const __m256i mask = first_lanes(n - i);
    _mm256_maskstore_ps(to + i, mask, _mm256_maskload_ps(from + i, mask));
  }
}

/// n times +0.
inline void zero_floats(float* to, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, _mm256_setzero_ps());
  if (i < n) _mm256_maskstore_ps(to + i, first_lanes(n - i), _mm256_setzero_ps());
}

}  // namespace soma::common
