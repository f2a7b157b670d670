#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "lanes.hpp"
#include "reductions.hpp"

/// Canonical sums (numerics.md, 2) of terms that are computed on the way.
namespace soma::common {

/// The lanes of a block of the canonical reduction.
inline constexpr std::int64_t kSumLanes = 16;

/// The end of a block: its sixteen lanes, folded in halves.
inline float fold_lanes(const Lanes* sum) {
  alignas(64) float lane[kSumLanes];
  for (std::int64_t v = 0; v < kSumLanes / kLanes; ++v) sum[v].store(lane + v * kLanes);
  const __m256 eight = _mm256_add_ps(_mm256_load_ps(lane), _mm256_load_ps(lane + 8));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/// K sums over [0, n) in canonical reduction order: term(i, place) gives kLanes terms of each from
/// i on as std::array<Lanes, K>. What it returns in lanes beyond the place is not used.
template <int K, class Term>
std::array<float, K> lane_sums(std::int64_t n, Term&& term) {
  constexpr std::int64_t kVectors = kSumLanes / kLanes;
  std::array<float, K> total{};
  for (std::int64_t begin = 0; begin < n; begin += kSumBlock) {
    const std::int64_t end = std::min(begin + kSumBlock, n);
    // Elements beyond the end add +0, which changes no lane: none is ever -0, as it started from
    // +0.
    Lanes sum[K][kVectors];
    for (int k = 0; k < K; ++k) {
      for (std::int64_t v = 0; v < kVectors; ++v) sum[k][v] = Lanes(0);
    }
    const auto add = [&](std::int64_t i, std::int64_t v, auto place) {
      const std::array<Lanes, K> terms = term(i, place);
      for (int k = 0; k < K; ++k) {
        sum[k][v] = sum[k][v] + place.only(terms[static_cast<std::size_t>(k)]);
      }
    };
    std::int64_t i = begin;
    for (; i + kSumLanes <= end; i += kSumLanes) {
      for (std::int64_t v = 0; v < kVectors; ++v) add(i + v * kLanes, v, Whole{});
    }
    for (std::int64_t v = 0; i < end; i += kLanes, ++v) {
      if (i + kLanes <= end) {
        add(i, v, Whole{});
      } else {
        add(i, v, Part{end - i});
      }
    }
    for (int k = 0; k < K; ++k) total[static_cast<std::size_t>(k)] += fold_lanes(sum[k]);
  }
  return total;
}

/// One such sum.
template <class Term>
float lane_sum(std::int64_t n, Term&& term) {
  return lane_sums<1>(
      n, [&](std::int64_t i, auto place) { return std::array<Lanes, 1>{term(i, place)}; })[0];
}

/// sums[k][c] += term_k(first_row, c) + ... + term_k(last_row - 1, c), one row after the other, for
/// c in [first, last): a piece of K column sums. term(row, c, place) gives kLanes columns of each.
template <int K, class Term>
void add_rows(std::int64_t first_row, std::int64_t last_row, std::int64_t first, std::int64_t last,
              float* const (&sums)[K], Term&& term) {
  const auto chunk = [&]<int V>(std::integral_constant<int, V>, std::int64_t c, auto place) {
    Lanes sum[K][V];
    for (int k = 0; k < K; ++k) {
      for (int v = 0; v < V; ++v) sum[k][v] = place.load(sums[k] + c + kLanes * v);
    }
    for (std::int64_t row = first_row; row < last_row; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const std::array<Lanes, K> terms = term(row, c + kLanes * v, place);
        for (int k = 0; k < K; ++k) sum[k][v] = sum[k][v] + terms[static_cast<std::size_t>(k)];
      }
    }
    for (int k = 0; k < K; ++k) {
      for (int v = 0; v < V; ++v) place.store(sum[k][v], sums[k] + c + kLanes * v);
    }
  };
  std::int64_t c = first;
  for (; c + 4 * kLanes <= last; c += 4 * kLanes) {
    chunk(std::integral_constant<int, 4>{}, c, Whole{});
  }
  for (; c + kLanes <= last; c += kLanes) chunk(std::integral_constant<int, 1>{}, c, Whole{});
  if (c < last) chunk(std::integral_constant<int, 1>{}, c, Part{last - c});
}

}  // namespace soma::common
