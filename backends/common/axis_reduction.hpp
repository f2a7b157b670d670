#pragma once

#include <cstddef>

#include "parallel.hpp"
#include "soma/sdk/ops/broadcast.hpp"

namespace soma::common {

/// sums[o,i] = (sum over r of x[o,r,i], or of x[o,r,i] * by[o,r,i], each product rounded, where
/// `by` is given) / divisor, in the order of sum/1. `workspace` has axis_sums_bytes(view).
void axis_sums(const Parallel& parallel, int threads, const ops::AxisView& view, const float* x,
               const float* by, float divisor, float* sums, float* workspace);
std::size_t axis_sums_bytes(const ops::AxisView& view);

}  // namespace soma::common
