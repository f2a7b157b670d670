#pragma once

#include "reductions.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/broadcast.hpp"

namespace soma::reference {

/// sums[o,i] = sum over r of term((o*R + r)*I + i), in the order of sum/1.
template <class T, class Term>
void axis_sums(const ops::AxisView& view, Term&& term, T* sums) {
  constexpr std::int64_t kBlock = 512;
  const std::int64_t R = view.reduced, I = view.inner;
  for (std::int64_t o = 0; o < view.outer; ++o) {
    if (I == 1) {
      sums[o] = canonical_sum<T>(R, [&](std::int64_t r) { return term(o * R + r); });
      continue;
    }
    for (std::int64_t i = 0; i < I; ++i) {
      T total = 0;
      for (std::int64_t begin = 0; begin < R; begin += kBlock) {
        T block = 0;
        for (std::int64_t r = begin; r < std::min(begin + kBlock, R); ++r) {
          block += term((o * R + r) * I + i);
        }
        total += block;
      }
      sums[o * I + i] = total;
    }
  }
}

}  // namespace soma::reference
