#pragma once

#include <cstddef>
#include <cstdint>

#include "parallel.hpp"

namespace soma::common {

/// Sums in canonical reduction order (numerics.md, 2): blocks of 4096 elements over 16 lanes.
float canonical_sum(const float* x, std::int64_t n);
/// The same over a[i] * b[i], each product rounded.
float canonical_dot(const float* a, const float* b, std::int64_t n);
/// Elements of a block; sums of blocks are added in ascending order, starting from +0.
inline constexpr std::int64_t kSumBlock = 4096;

/// Rows of a block of a column sum.
inline constexpr std::int64_t kRowBlock = 512;

/// sums[c] = x[0, c] + x[1, c] + ... over `rows` <= kRowBlock rows that are `stride` apart, each
/// from +0 on: one block of `cols` column sums.
void column_block_sums(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t cols,
                       float* sums);
/// sums[c] = by_block[0, c] + by_block[1, c] + ... from +0 on; with `accumulate` the old value plus
/// that.
void add_block_sums(const float* by_block, std::int64_t blocks, std::int64_t cols, bool accumulate,
                    float* sums);
/// All blocks of the column sums of x[rows, n], to by_block[column_blocks(rows), n].
void column_sums_by_block(const Parallel& parallel, int threads, const float* x, std::int64_t rows,
                          std::int64_t n, float* by_block);
inline std::int64_t column_blocks(std::int64_t rows) { return (rows + kRowBlock - 1) / kRowBlock; }

/// Both together: sums[n] = column sums of x[rows, n]; with `accumulate` the old value plus the
/// finished sum. `workspace` has column_sums_bytes(rows, n).
void column_sums(const Parallel& parallel, int threads, const float* x, std::int64_t rows,
                 std::int64_t n, bool accumulate, float* sums, float* workspace);
std::size_t column_sums_bytes(std::int64_t rows, std::int64_t n);

}  // namespace soma::common
