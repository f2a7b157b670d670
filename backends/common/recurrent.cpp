#include "recurrent.hpp"

#include <algorithm>
#include <vector>

#include "copy.hpp"
#include "schedule.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kPanelsPerChunk = 4;  // row panels that share a pass through the weights

// The state before each row (n, t) as the right operand of the weights' gradient.
class StatesBefore final : public ColumnSource {
 public:
  StatesBefore(const Sequence& sequence, const float* h0, const float* h)
      : sequence_(sequence), h0_(h0), h_(h) {}
  void pack(std::int64_t n, std::int64_t cols, std::int64_t k, std::int64_t kc, float* panels,
            std::int64_t panel_stride) const override {
    const auto& [rows, steps, units, reverse] = sequence_;
    const std::int64_t first = sequence_.at(0), nr = micro_kernels().nr;
    for (std::int64_t done = 0; done < kc;) {  // runs of rows that lie side by side in h
      const std::int64_t t = (k + done) % steps;
      std::int64_t run = 1;
      const float* from = h0_ + (k + done) / steps * units;
      if (t != first) {
        run = std::min(kc - done, (reverse ? first : steps) - t);
        from = h_ + (k + done + (reverse ? 1 : -1)) * units;
      }
      pack_contiguous(from + n, units, cols, run, panels + done * nr, panel_stride);
      done += run;
    }
  }

 private:
  Sequence sequence_;
  const float *h0_, *h_;
};

}  // namespace

// Rows and column panels of one task.
struct RecurrentProduct::Part {
  std::int64_t row_begin, row_end, panel_begin, panel_end;
};

std::int64_t RecurrentProduct::panels() const { return ceil_div(units_, micro_kernels().nr); }

// Panel by panel and in it group by group: [terms, nr] each.
std::size_t RecurrentProduct::pack_bytes() const {
  return static_cast<std::size_t>(panels() * groups_ * terms_ * micro_kernels().nr) * sizeof(float);
}

void RecurrentProduct::pack(const Parallel& parallel, int threads, const float* u, Along along,
                            float* packed) const {
  const std::int64_t nr = micro_kernels().nr, size = terms_ * nr;
  const std::int64_t grain = std::max<std::int64_t>(1, 65536 / std::max<std::int64_t>(1, size));
  parallel.run(threads, panels() * groups_, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t unit = i / groups_ * nr, column = i % groups_ * units_ + unit;
      const std::int64_t cols = std::min(nr, units_ - unit);
      if (along == Along::terms) {
        pack_transposed(u + column * terms_, terms_, cols, terms_, packed + i * size, size);
      } else {
        pack_contiguous(u + column, units_, cols, terms_, packed + i * size, size);
      }
    }
  });
}

void RecurrentProduct::run(const Parallel& parallel, int threads, std::int64_t count,
                           const float* packed, const RecurrentSteps& steps) const {
  if (rows_ == 0 || units_ == 0) return;
  const double step_work = static_cast<double>(rows_ * groups_) * static_cast<double>(units_) *
                           static_cast<double>(terms_);
  if (step_work * static_cast<double>(count) < kSmall) threads = 1;
  constexpr std::int64_t kRowsPerThread = 4;  // fewer, and the weights pass by too often
  constexpr double kStepWork = 256 * 1024;    // less is not worth meeting after each step
  if (threads == 1 || rows_ >= kRowsPerThread * threads || step_work < kStepWork) {
    const std::int64_t tasks = std::min<std::int64_t>(threads, rows_);
    parallel.run(threads, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const Part part{cut(rows_, tasks, i), cut(rows_, tasks, i + 1), 0, panels()};
        for (std::int64_t s = 0; s < count; ++s) run_part(s, part, packed, steps);
      }
    });
    return;
  }
  const std::int64_t unit_tasks = std::min<std::int64_t>(threads, panels());
  const std::int64_t row_tasks = std::clamp<std::int64_t>(threads / unit_tasks, 1, rows_);
  for (std::int64_t s = 0; s < count; ++s) {
    parallel.run(threads, unit_tasks * row_tasks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t r = i / unit_tasks, c = i % unit_tasks;
        run_part(s,
                 {cut(rows_, row_tasks, r), cut(rows_, row_tasks, r + 1),
                  cut(panels(), unit_tasks, c), cut(panels(), unit_tasks, c + 1)},
                 packed, steps);
      }
    });
  }
}

void RecurrentProduct::run_part(std::int64_t s, const Part& part, const float* packed,
                                const RecurrentSteps& steps) const {
  const MicroKernels& micro = micro_kernels();
  const std::int64_t nr = micro.nr;
  const StepRows left = steps.left(s);
  Scratch& mine = scratch();
  // One cache line more than the terms, so that rows do not fall into the same cache sets.
  const std::int64_t stride = ceil_div(terms_, 16) * 16 + 16;
  const std::int64_t fitting = kRowScratch / (stride * micro.mr);
  const std::int64_t chunk_panels = std::clamp<std::int64_t>(fitting, 1, kPanelsPerChunk);
  const std::int64_t row_chunks = ceil_div(part.row_end - part.row_begin, micro.mr * chunk_panels);

  for (std::int64_t chunk = 0; chunk < row_chunks; ++chunk) {
    const std::int64_t all = part.row_end - part.row_begin;
    const std::int64_t m0 = part.row_begin + cut(all, row_chunks, chunk);
    const std::int64_t rows = part.row_begin + cut(all, row_chunks, chunk + 1) - m0;
    const std::int64_t row_panels = ceil_div(rows, micro.mr);
    Tile tile;
    tile.segment_count = 1;
    tile.total_stride = nr;
    tile.a_step = left.stride;
    const float* a = nullptr;
    if (left.data == nullptr) {
      std::fill_n(mine.b, groups_ * rows * nr, 0.0f);
    } else {
      a = left.data + m0 * left.stride;
      if (fitting > 0) {
        for (std::int64_t i = 0; i < rows; ++i) {
          copy_floats(a + i * left.stride, mine.a + i * stride, terms_);
        }
        a = mine.a;
        tile.a_step = stride;
      }
    }
    for (std::int64_t panel = part.panel_begin; panel < part.panel_end; ++panel) {
      tile.cols = static_cast<int>(std::min(nr, units_ - panel * nr));
      for (std::int64_t g = 0; g < groups_ && a != nullptr; ++g) {
        const float* b = packed + (panel * groups_ + g) * terms_ * nr;
        for (std::int64_t k = 0; k < terms_; k += kBlock) {
          const Segment block{0, 0, std::min(kBlock, terms_ - k)};
          tile.segments = &block;
          tile.first = k == 0;
          tile.b = b + k * nr;
          for (std::int64_t r = 0; r < row_panels; ++r) {
            const std::int64_t m = cut(rows, row_panels, r);
            tile.a = a + m * tile.a_step + k;
            tile.total = mine.b + (g * rows + m) * nr;
            const auto tile_rows = static_cast<int>(cut(rows, row_panels, r + 1) - m);
            if (k == 0) steps.fetch(s, g, {m0 + m, tile_rows, panel * nr, tile.cols});
            micro.select(PanelLayout::rows, tile_rows, tile.cols)(tile);
          }
        }
      }
      steps.finish(s, {{m0, rows, panel * nr, tile.cols}, mine.b, nr});
    }
  }
}

RecurrentWeights::RecurrentWeights(const Sequence& sequence, std::int64_t groups)
    : sequence_(sequence),
      columns_(groups * sequence.h),
      gemm_(columns_, sequence.h, sequence.n * sequence.t,
            Gemm::choose_deep(columns_, sequence.h, sequence.n * sequence.t), false) {}

void RecurrentWeights::run(const Parallel& parallel, int threads, const float* du, const float* h0,
                           const float* h, float* grad_u, void* workspace) const {
  Product product;
  product.finish.out = grad_u;
  product.finish.out_stride = sequence_.h;
  gemm_.run(parallel, threads, MatrixRows(du, columns_, Along::outer),
            StatesBefore(sequence_, h0, h), nullptr, product, workspace);
}

std::span<const Entry> recurrent_kernels() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> list;
    for (const auto& family : {rnn_kernels(), lstm_kernels(), gru_kernels()}) {
      list.insert(list.end(), family.begin(), family.end());
    }
    return list;
  }();
  return all;
}

}  // namespace soma::common
