#pragma once

#include <cstddef>
#include <cstdint>

#include "parallel.hpp"

namespace soma::common {

/// Sums in canonical reduction order (numerics.md, 2): blocks of 4096 elements over 16 lanes.
float canonical_sum(const float* x, std::int64_t n);
/// The same over a[i] * b[i], each product rounded.
float canonical_dot(const float* a, const float* b, std::int64_t n);
/// The same over d * d, d = a[i] - b[i].
float canonical_squared_distance(const float* a, const float* b, std::int64_t n);
/// Elements of a block; sums of blocks are added in ascending order, starting from +0.
inline constexpr std::int64_t kSumBlock = 4096;

/// sums[n] = column sums of x[rows, n] in canonical order: blocks of 512 rows. With `accumulate`
/// the old value plus the finished sum. `workspace` has column_sums_bytes(rows, n).
void column_sums(const Parallel& parallel, int threads, const float* x, std::int64_t rows,
                 std::int64_t n, bool accumulate, float* sums, float* workspace);
std::size_t column_sums_bytes(std::int64_t rows, std::int64_t n);

}  // namespace soma::common
