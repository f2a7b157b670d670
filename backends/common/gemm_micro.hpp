#pragma once

#include <cstdint>

namespace soma::common {

/// Terms of a contraction that are accumulated before the block sum is added to the total.
inline constexpr std::int64_t kBlock = 512;

/// Where the left factors of a tile lie: row i, term k of a segment.
enum class PanelLayout {
  rows,     ///< at i * a_step + k: contiguous in k
  columns,  ///< at k * a_step + i: contiguous in i
};

/// Consecutive terms of a block. A block may be made of several: the taps of a convolution, say.
struct Segment {
  std::int64_t a = 0;      ///< of its first left factors, in floats from Tile::a
  std::int64_t term = 0;   ///< its first term within the block
  std::int64_t terms = 0;  ///< how many
};

/// What happens to the finished sums of a tile, in this order and each only if present.
struct TileFinish {
  const float* bias = nullptr;      ///< [cols]
  const float* residual = nullptr;  ///< [rows, cols], `residual_stride` floats between rows
  std::int64_t residual_stride = 0;
  bool relu = false;
  bool accumulate = false;  ///< the old value of `out` plus the finished sum
  float* out = nullptr;     ///< [rows, cols], `out_stride` floats between rows
  std::int64_t out_stride = 0;
};

/// One micro-kernel call: the block sums of a tile, added to its totals.
struct Tile {
  const float* a = nullptr;  ///< left factors, see PanelLayout and Segment
  std::int64_t a_step = 0;
  const float* b = nullptr;           ///< packed panel [terms of the block, nr]
  const Segment* segments = nullptr;  ///< ascending; terms between them take no part
  std::int64_t segment_count = 0;
  int cols = 0;            ///< 1..nr
  bool first = true;       ///< the totals start from +0, and `total` is not read
  float* total = nullptr;  ///< [rows, cols], `total_stride` floats between rows
  std::int64_t total_stride = 0;
  const TileFinish* finish = nullptr;  ///< the last block: write finish->out instead of `total`
};

/// The micro-kernels of one instruction set. Their bits are the same on each.
struct MicroKernels {
  using Run = void (*)(const Tile&);
  static constexpr int kMaxRows = 14;

  const char* isa;  ///< "avx2" or "avx512"
  int mr;           ///< most rows of a tile
  int nr;           ///< columns of a packed B panel, a multiple of 8
  /// [layout][rows][wide]: wide = 1 computes all nr columns, 0 the first half of them.
  Run run[2][kMaxRows + 1][2];

  Run select(PanelLayout layout, int rows, int cols) const {
    return run[static_cast<int>(layout)][rows][cols > nr / 2 ? 1 : 0];
  }
};

/// Those for this CPU, capped by the environment variable SOMA_ISA=avx2|avx512; chosen once.
const MicroKernels& micro_kernels();

}  // namespace soma::common
