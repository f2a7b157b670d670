#include "reductions.hpp"

#include <algorithm>

#include "lane_sums.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kColumnChunk = 4 * kLanes;

// sums[c] over `rows` rows of x for `cols` <= kColumnChunk columns.
void sum_block(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t cols,
               float* sums) {
  Lanes sum[4] = {Lanes(0), Lanes(0), Lanes(0), Lanes(0)};
  if (cols == kColumnChunk) {
    for (std::int64_t m = 0; m < rows; ++m, x += stride) {
      for (int j = 0; j < 4; ++j) sum[j] = sum[j] + Lanes::load(x + kLanes * j);
    }
    for (int j = 0; j < 4; ++j) sum[j].store(sums + kLanes * j);
    return;
  }
  for (std::int64_t m = 0; m < rows; ++m, x += stride) {
    for (int j = 0; j < 4; ++j) sum[j] = sum[j] + load_lanes(x + kLanes * j, cols - kLanes * j);
  }
  for (int j = 0; j < 4; ++j) store_lanes(sum[j], sums + kLanes * j, cols - kLanes * j);
}

}  // namespace

float canonical_sum(const float* x, std::int64_t n) {
  return lane_sum(n, [&](std::int64_t i, auto place) { return place.load(x + i); });
}

float canonical_dot(const float* a, const float* b, std::int64_t n) {
  return lane_sum(
      n, [&](std::int64_t i, auto place) { return Lanes(place.load(a + i) * place.load(b + i)); });
}

void column_block_sums(const float* x, std::int64_t stride, std::int64_t rows, std::int64_t cols,
                       float* sums) {
  for (std::int64_t c = 0; c < cols; c += kColumnChunk) {
    sum_block(x + c, stride, rows, std::min(kColumnChunk, cols - c), sums + c);
  }
}

void add_block_sums(const float* by_block, std::int64_t blocks, std::int64_t cols, bool accumulate,
                    float* sums) {
  for (std::int64_t c = 0; c < cols; ++c) {
    float total = 0;
    for (std::int64_t block = 0; block < blocks; ++block) total += by_block[block * cols + c];
    sums[c] = accumulate ? sums[c] + total : total;
  }
}

void column_sums_by_block(const Parallel& parallel, int threads, const float* x, std::int64_t rows,
                          std::int64_t n, float* by_block) {
  const std::int64_t chunks = (n + kColumnChunk - 1) / kColumnChunk;
  // A chunk of a block is 64 KiB; four of them are worth a worker.
  constexpr std::int64_t kGrain = 4;
  const std::int64_t count = column_blocks(rows) * chunks;
  parallel.run(threads, count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t block = i / chunks, col = i % chunks * kColumnChunk;
      const std::int64_t row = block * kRowBlock;
      sum_block(x + row * n + col, n, std::min(kRowBlock, rows - row),
                std::min(kColumnChunk, n - col), by_block + block * n + col);
    }
  });
}

void column_sums(const Parallel& parallel, int threads, const float* x, std::int64_t rows,
                 std::int64_t n, bool accumulate, float* sums, float* workspace) {
  column_sums_by_block(parallel, threads, x, rows, n, workspace);
  add_block_sums(workspace, column_blocks(rows), n, accumulate, sums);
}

std::size_t column_sums_bytes(std::int64_t rows, std::int64_t n) {
  return static_cast<std::size_t>(column_blocks(rows) * n) * sizeof(float);
}

}  // namespace soma::common
