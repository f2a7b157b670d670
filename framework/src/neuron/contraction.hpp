#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace soma {

/// sum over i < n of a[i * a_step] * b[i * b_step] in the canonical order of contractions: see
/// numerics.md, "Canonical order", 1.
inline float contraction(const float* a, std::int64_t a_step, const float* b, std::int64_t b_step,
                         std::int64_t n) {
  constexpr std::int64_t kBlock = 512;
  float total = 0;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    float block = 0;
    for (std::int64_t i = begin; i < std::min(begin + kBlock, n); ++i) {
      block = std::fma(a[i * a_step], b[i * b_step], block);
    }
    total += block;
  }
  return total;
}

/// sum over i < n of a[i] in the canonical order of column sums.
inline float column_sum(const float* a, std::int64_t n) {
  constexpr std::int64_t kBlock = 512;
  float total = 0;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    float block = 0;
    for (std::int64_t i = begin; i < std::min(begin + kBlock, n); ++i) block += a[i];
    total += block;
  }
  return total;
}

}  // namespace soma
