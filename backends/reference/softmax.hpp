#pragma once

#include "reductions.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma::reference {

/// y = e / sum(e) with e = exp(x - max(x)), for one row of C > 0 elements.
template <class T>
struct SoftmaxRow {
  T max, sum;
};

template <class T>
SoftmaxRow<T> softmax_row(const T* x, std::int64_t C, T* y) {
  const T max = canonical_max(x, C);
  for (std::int64_t c = 0; c < C; ++c) y[c] = math::exp(x[c] - max);
  const T sum = canonical_sum<T>(C, [&](std::int64_t c) { return y[c]; });
  for (std::int64_t c = 0; c < C; ++c) y[c] /= sum;
  return {max, sum};
}

}  // namespace soma::reference
