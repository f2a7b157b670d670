#include "gemm.hpp"

#include <algorithm>

#include "schedule.hpp"

namespace soma::common {
namespace {

// The larger of the two layouts, 14 rows, and a cache line more, so that the panels do not fall
// into the same cache sets.
constexpr std::int64_t kPanelFloats = 16 * kBlock + 16;
constexpr std::int64_t kPanelsPerChunk = kRowScratch / kPanelFloats;

}  // namespace

Scratch& scratch() {
  static thread_local Scratch mine;
  return mine;
}

// Row panels [row_begin, row_end) and column panels [col_begin, col_end) of the output, and the
// blocks that are summed into it.
struct Gemm::Region {
  std::int64_t row_begin, row_end, col_begin, col_end, block_begin, block_end;
};

Gemm::Gemm(std::int64_t m, std::int64_t n, std::int64_t k, Schedule schedule, bool accumulate)
    : m_(m), n_(n), k_(k), schedule_(schedule), accumulate_(accumulate) {}

Gemm::Schedule Gemm::choose(std::int64_t m) {
  // A packed b travels to memory and back; that is hidden when each panel serves this many rows.
  return m >= 256 ? Schedule::shared_b : Schedule::private_b;
}

Gemm::Schedule Gemm::choose_deep(std::int64_t m, std::int64_t n, std::int64_t k) {
  return m * n <= kFewOutputs && k >= 4 * kBlock ? Schedule::split_k : choose(m);
}

std::int64_t Gemm::block_terms(std::int64_t block) const {
  return std::min(kBlock, k_ - block * kBlock);
}
std::int64_t Gemm::column_panels() const { return ceil_div(n_, micro_kernels().nr); }
std::int64_t Gemm::row_panels() const { return ceil_div(m_, micro_kernels().mr); }
// A product of few rows takes the time to read b.
bool Gemm::is_small() const {
  constexpr double kRows = 4;
  return std::max(kRows, static_cast<double>(m_)) * static_cast<double>(n_) *
             static_cast<double>(k_) <
         kSmall;
}

std::int64_t Gemm::panel_offset(std::int64_t block, std::int64_t panel) const {
  return (block * kBlock * column_panels() + panel * block_terms(block)) * micro_kernels().nr;
}

std::size_t Gemm::pack_bytes() const {
  return static_cast<std::size_t>(k_ * column_panels() * micro_kernels().nr) * sizeof(float);
}

std::size_t Gemm::workspace_bytes(bool packed) const {
  const std::size_t totals = static_cast<std::size_t>(m_ * n_) * sizeof(float);
  if (schedule_ == Schedule::split_k) {
    return totals * static_cast<std::size_t>(std::min(blocks(), kBlocksPerRound));
  }
  std::size_t bytes = accumulate_ && blocks() > 1 ? (totals + 63) / 64 * 64 : 0;
  if (schedule_ == Schedule::shared_b && !packed) bytes += pack_bytes();
  return bytes;
}

void Gemm::pack_b(const Parallel& parallel, int threads, const ColumnSource& b,
                  float* packed) const {
  const std::int64_t nr = micro_kernels().nr, panels = column_panels();
  if (k_ == 0 || panels == 0) return;
  constexpr std::int64_t kPanels = 4;  // of a block: 64 to 256 KiB a piece
  const std::int64_t chunks = ceil_div(panels, kPanels);
  if (is_small()) threads = 1;
  parallel.run(threads, blocks() * chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t block = i / chunks, first = i % chunks * kPanels, kc = block_terms(block);
      const std::int64_t cols = std::min(kPanels * nr, n_ - first * nr);
      b.pack(first * nr, cols, block * kBlock, kc, packed + panel_offset(block, first), kc * nr);
    }
  });
}

void Gemm::run(const Parallel& parallel, int threads, const RowSource& a, const ColumnSource& b,
               const float* packed, const Product& product, void* workspace) const {
  if (m_ == 0 || n_ == 0) return;
  if (is_small()) threads = 1;
  auto* totals = static_cast<float*>(workspace);
  if (schedule_ == Schedule::split_k) {
    return run_split(parallel, threads, a, b, product, totals);
  }
  if (schedule_ == Schedule::shared_b && packed == nullptr) {
    const std::size_t before = workspace_bytes(true) / sizeof(float);
    pack_b(parallel, threads, b, totals + before);
    packed = totals + before;
  }
  const std::int64_t rows = row_panels(), cols = column_panels();
  const std::int64_t tasks = threads == 1 ? 1 : threads * kTasksPerThread;
  std::int64_t row_tasks = 1, col_tasks = 1;
  if (packed != nullptr) {
    // Long row ranges reuse b from L2; columns are cut where there are few rows.
    row_tasks = std::clamp<std::int64_t>(rows / 4, 1, tasks);
    col_tasks = std::clamp<std::int64_t>(ceil_div(tasks, row_tasks), 1, cols);
  } else {
    col_tasks = std::clamp<std::int64_t>(cols / 2, 1, tasks);
    row_tasks = std::clamp<std::int64_t>(ceil_div(tasks, col_tasks), 1, rows);
  }
  parallel.run(threads, row_tasks * col_tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t r = i / col_tasks, c = i % col_tasks;
      run_region({cut(rows, row_tasks, r), cut(rows, row_tasks, r + 1), cut(cols, col_tasks, c),
                  cut(cols, col_tasks, c + 1), 0, blocks()},
                 a, b, packed, product, totals);
    }
  });
}

void Gemm::run_region(const Region& region, const RowSource& a, const ColumnSource& b,
                      const float* packed, const Product& product, float* totals) const {
  const MicroKernels& micro = micro_kernels();
  const std::int64_t nr = micro.nr, row_panel_count = row_panels();
  // As many column panels as stay in cache while the rows pass by.
  const std::int64_t panel_stride = std::clamp<std::int64_t>(k_, 1, kBlock) * nr;
  const std::int64_t group = kColumnScratch / panel_stride;
  const std::int64_t step = packed != nullptr ? region.col_end - region.col_begin : group;
  constexpr std::int64_t kFewPanels = 4;  // a row panel that is read so rarely is not worth packing
  const bool few = region.col_end - region.col_begin <= kFewPanels;
  Scratch& mine = scratch();
  // Totals live in the output itself until it is finished, unless its old value is still needed.
  const bool apart = product.finish.accumulate && region.block_end - region.block_begin > 1;
  Tile tile;
  tile.segment_count = 1;
  tile.total_stride = apart ? n_ : product.finish.out_stride;
  float* const total = apart ? totals : product.finish.out;

  for (std::int64_t c0 = region.col_begin; c0 < region.col_end; c0 += step) {
    const std::int64_t c1 = std::min(c0 + step, region.col_end);
    for (std::int64_t block = region.block_begin; block < region.block_end; ++block) {
      const std::int64_t k = block * kBlock, kc = block_terms(block);
      if (packed == nullptr) {
        b.pack(c0 * nr, std::min(c1 * nr, n_) - c0 * nr, k, kc, mine.b, panel_stride);
      }
      const Segment whole_block{0, 0, kc};
      tile.segments = &whole_block;
      tile.first = block == region.block_begin;
      const bool last = block + 1 == region.block_end;
      for (std::int64_t r0 = region.row_begin; r0 < region.row_end; r0 += kPanelsPerChunk) {
        const std::int64_t r1 = std::min(r0 + kPanelsPerChunk, region.row_end);
        const float* panels[kPanelsPerChunk];
        std::int64_t bounds[kPanelsPerChunk + 1];
        tile.a_step = a.layout() == PanelLayout::rows ? kRowStride : kColumnStride;
        bool packs = false;
        for (std::int64_t r = r0; r <= r1; ++r) bounds[r - r0] = cut(m_, row_panel_count, r);
        for (std::int64_t i = 0; i < r1 - r0; ++i) {
          panels[i] = few ? a.in_place(bounds[i], k, &tile.a_step) : nullptr;
          packs |= panels[i] == nullptr;
          if (panels[i] == nullptr) panels[i] = mine.a + i * kPanelFloats;
        }
        if (packs) a.pack_panels(bounds, r1 - r0, k, kc, mine.a, kPanelFloats);
        for (std::int64_t g = c0; g < c1; g += group) {
          for (std::int64_t r = r0; r < r1; ++r) {
            const std::int64_t m = cut(m_, row_panel_count, r);
            const int rows = static_cast<int>(cut(m_, row_panel_count, r + 1) - m);
            tile.a = panels[r - r0];
            for (std::int64_t c = g; c < std::min(g + group, c1); ++c) {
              tile.b = packed != nullptr ? packed + panel_offset(block, c)
                                         : mine.b + (c - c0) * panel_stride;
              tile.cols = static_cast<int>(std::min(nr, n_ - c * nr));
              tile.total = total + m * tile.total_stride + c * nr;
              run_tile(tile, a.layout(), m, rows, c * nr, last, product);
            }
          }
        }
      }
    }
  }
}

// The tile at row m, column n; after the last block it is finished.
void Gemm::run_tile(Tile tile, PanelLayout layout, std::int64_t m, int rows, std::int64_t n,
                    bool last, const Product& product) {
  const auto run = micro_kernels().select(layout, rows, tile.cols);
  if (!last) return run(tile);
  TileFinish finish = product.finish;
  finish.out += m * finish.out_stride + n;
  if (finish.bias != nullptr) finish.bias += n;
  if (finish.residual != nullptr) finish.residual += m * finish.residual_stride + n;
  tile.finish = &finish;
  run(tile);
  if (product.activation == nullptr) return;
  for (int i = 0; i < rows; ++i) {
    float* y = finish.out + i * finish.out_stride;
    product.activation(y, y, tile.cols);
  }
}

void Gemm::run_split(const Parallel& parallel, int threads, const RowSource& a,
                     const ColumnSource& b, const Product& product, float* sums) const {
  const std::int64_t size = m_ * n_, count = blocks();
  for (std::int64_t first = 0; first < count; first += kBlocksPerRound) {
    const std::int64_t end_of_round = std::min(first + kBlocksPerRound, count);
    // In later rounds slot 0 holds the total so far, so its block is added to it.
    parallel.run(threads, end_of_round - first, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        Product part;
        part.finish.out = sums + i * size;
        part.finish.out_stride = n_;
        part.finish.accumulate = i == 0 && first > 0;
        run_region({0, row_panels(), 0, column_panels(), first + i, first + i + 1}, a, b, nullptr,
                   part, nullptr);
      }
    });
    const bool last = end_of_round == count;
    constexpr std::int64_t kGrain = 256;
    parallel.run(threads, m_, std::max<std::int64_t>(1, kGrain / n_),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     float* total = sums + i * n_;
                     for (std::int64_t slot = 1; slot < end_of_round - first; ++slot) {
                       const float* sum = total + slot * size;
                       for (std::int64_t j = 0; j < n_; ++j) total[j] += sum[j];
                     }
                     if (!last) continue;
                     const TileFinish& f = product.finish;
                     for (std::int64_t j = 0; j < n_; ++j) {
                       float& out = f.out[i * f.out_stride + j];
                       out = f.accumulate ? out + total[j] : total[j];
                     }
                   }
                 });
  }
}

}  // namespace soma::common
