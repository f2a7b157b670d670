#pragma once

#include <algorithm>
#include <cstdint>

#include "reductions.hpp"
#include "soma/sdk/math/lanes.hpp"

/// Canonical sums (numerics.md, 2) of terms that are computed on the way.
namespace soma::common {

/// The first `count` lanes of v, +0 in the others.
inline math::F32x8 first_lanes(math::F32x8 v, std::int64_t count) {
  if (count >= 8) return v;
  if (count <= 0) return 0;
  float lane[8] = {};
  v.store_partial(lane, count);
  return math::F32x8::load(lane);
}

/// x[0..8), of which `left` exist; +0 for the others.
inline math::F32x8 load_lanes(const float* x, std::int64_t left) {
  using Lanes = math::F32x8;
  if (left >= 8) return Lanes::load(x);
  return left > 0 ? Lanes::load_partial(x, left) : Lanes(0);
}

/// Sum over i in [0, n) of term(i, left), which returns the eight terms from i on, +0 where there
/// is none; left = n - i, perhaps negative.
template <class Term>
float lane_sum(std::int64_t n, Term term) {
  using Lanes = math::F32x8;
  float total = 0;
  for (std::int64_t begin = 0; begin < n; begin += kSumBlock) {
    const std::int64_t end = std::min(begin + kSumBlock, n);
    // The sixteen lanes of the definition: elements beyond the end add nothing, not even +0, which
    // could change a lane of -0; no lane is ever -0, as it started from +0.
    Lanes low(0), high(0);
    for (std::int64_t i = begin; i < end; i += 16) {
      low = low + term(i, end - i);
      high = high + term(i + 8, end - i - 8);
    }
    float lane[8];
    Lanes(low + high).store(lane);
    for (int width = 4; width > 0; width /= 2) {
      for (int j = 0; j < width; ++j) lane[j] += lane[j + width];
    }
    total += lane[0];
  }
  return total;
}

}  // namespace soma::common
