#pragma once

#include <algorithm>
#include <cstdint>

#include "gemm_micro.hpp"

namespace soma::common {

// How contractions are cut. None of these numbers decides a bit.

/// Floats of a thread's scratch for left and right operands, sized for an L2 of 512 KiB and more.
inline constexpr std::int64_t kRowScratch = 128 * kBlock + 128;
inline constexpr std::int64_t kColumnScratch = 128 * kBlock;

/// Scratch of the calling thread. Lives as long as the thread and is the same for all kernels, so
/// no step ever allocates.
struct Scratch {
  alignas(64) float a[kRowScratch];
  alignas(64) float b[kColumnScratch];
};
Scratch& scratch();

/// Most block sums kept at once where blocks run in parallel: bounds the workspace of very deep
/// sums.
inline constexpr std::int64_t kBlocksPerRound = 64;
/// Up to this many outputs a deep sum is cut by blocks instead of by outputs: a round of block sums
/// stays in cache, and both operands are packed once.
inline constexpr std::int64_t kFewOutputs = 16 * 1024;
/// Below this many multiply-adds (some 10 us) waking a worker costs more than it brings.
inline constexpr double kSmall = 512 * 1024;
/// Pieces per thread, so that a thread that was interrupted does not hold up the others.
inline constexpr std::int64_t kTasksPerThread = 4;

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
/// Start of piece i of n things cut into `pieces` as equal as possible.
inline std::int64_t cut(std::int64_t n, std::int64_t pieces, std::int64_t i) {
  return n * i / pieces;
}

}  // namespace soma::common
