#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "copy.hpp"
#include "reductions.hpp"
#include "soma/sdk/math/lanes.hpp"

/// Canonical sums of terms that are computed on the way, several sums at once. The functions that
/// give the terms take the place of eight elements: all of them (Whole) or the first few (Part,
/// whose other lanes read as +0 and are never written).
namespace soma::common {

using Lanes = math::F32x8;

struct Whole {
  static Lanes load(const float* p) { return Lanes::load(p); }
  static void store(Lanes v, float* p) { v.store(p); }
};

struct Part {
  std::int64_t left;  // 0 to 7
  Lanes load(const float* p) const { return Lanes::load_partial(p, left); }
  void store(Lanes v, float* p) const { v.store_partial(p, left); }
  /// v with +0 in the lanes beyond.
  Lanes only(Lanes v) const { return _mm256_and_ps(v.v, _mm256_castsi256_ps(first_lanes(left))); }
};

/// step(i, place) for each eight elements of [0, n).
template <class Step>
void for_lanes(std::int64_t n, Step&& step) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) step(i, Whole{});
  if (i < n) step(i, Part{n - i});
}

/// K sums over [0, n) in canonical reduction order (numerics.md, 2): term(i, place) gives the terms
/// i to i + 7 of each as std::array<Lanes, K>.
template <int K, class Term>
std::array<float, K> lane_sums(std::int64_t n, Term&& term) {
  std::array<float, K> total{};
  for (std::int64_t begin = 0; begin < n; begin += kSumBlock) {
    const std::int64_t end = std::min(begin + kSumBlock, n);
    // The sixteen lanes of the definition. Elements beyond the end add +0, which changes no lane:
    // none is ever -0, as it started from +0.
    Lanes low[K], high[K];
    for (int k = 0; k < K; ++k) low[k] = high[k] = Lanes(0);
    const auto add = [&](Lanes* to, const std::array<Lanes, K>& terms) {
      for (int k = 0; k < K; ++k) to[k] = to[k] + terms[static_cast<std::size_t>(k)];
    };
    const auto add_part = [&](Lanes* to, std::int64_t i) {
      const Part part{end - i};
      std::array<Lanes, K> terms = term(i, part);
      for (Lanes& t : terms) t = part.only(t);
      add(to, terms);
    };
    std::int64_t i = begin;
    for (; i + 16 <= end; i += 16) {
      add(low, term(i, Whole{}));
      add(high, term(i + 8, Whole{}));
    }
    if (i + 8 <= end) {
      add(low, term(i, Whole{}));
      if (i + 8 < end) add_part(high, i + 8);
    } else if (i < end) {
      add_part(low, i);
    }
    for (int k = 0; k < K; ++k) {
      float lane[8];
      Lanes(low[k] + high[k]).store(lane);
      for (int width = 4; width > 0; width /= 2) {
        for (int j = 0; j < width; ++j) lane[j] += lane[j + width];
      }
      total[static_cast<std::size_t>(k)] += lane[0];
    }
  }
  return total;
}

/// sums[k][c] += term_k(first_row, c) + ... + term_k(last_row - 1, c), one row after the other, for
/// c in [first, last): a piece of K column sums. term(row, c, place) gives eight columns of each.
template <int K, class Term>
void add_rows(std::int64_t first_row, std::int64_t last_row, std::int64_t first, std::int64_t last,
              float* const (&sums)[K], Term&& term) {
  const auto chunk = [&]<int V>(std::integral_constant<int, V>, std::int64_t c, auto place) {
    Lanes sum[K][V];
    for (int k = 0; k < K; ++k) {
      for (int v = 0; v < V; ++v) sum[k][v] = place.load(sums[k] + c + 8 * v);
    }
    for (std::int64_t row = first_row; row < last_row; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const std::array<Lanes, K> terms = term(row, c + 8 * v, place);
        for (int k = 0; k < K; ++k) sum[k][v] = sum[k][v] + terms[static_cast<std::size_t>(k)];
      }
    }
    for (int k = 0; k < K; ++k) {
      for (int v = 0; v < V; ++v) place.store(sum[k][v], sums[k] + c + 8 * v);
    }
  };
  std::int64_t c = first;
  for (; c + 32 <= last; c += 32) chunk(std::integral_constant<int, 4>{}, c, Whole{});
  for (; c + 8 <= last; c += 8) chunk(std::integral_constant<int, 1>{}, c, Whole{});
  if (c < last) chunk(std::integral_constant<int, 1>{}, c, Part{last - c});
}

}  // namespace soma::common
