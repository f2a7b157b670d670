#include <algorithm>
#include <array>
#include <cmath>

#include "conv2d_geometry.hpp"
#include "conv2d_skipping.hpp"
#include "kernel_base.hpp"
#include "matrix_source.hpp"
#include "reductions.hpp"
#include "schedule.hpp"

namespace soma::common {
namespace {

static_assert(kBlock == kRowBlock, "a block of pixels is also a block of the bias gradient");

// grad_weight, with taps and channels as the rows of a tile and outputs as its columns: what a tap
// sees from neighbouring pixels is read where it lies, and the sums come out transposed,
// [taps * channels, outputs]. Few outputs: blocks of pixels in parallel, their sums kept and added
// in order. Many outputs: tiles in parallel, each over all blocks.
class ConvWeights final : public CanonicalKernel {
 public:
  ConvWeights(const Op& op, const Parallel& parallel);

 private:
  enum class Source { in_place, bands, workspace };

  // Neighbouring rows of the transposed gradient that lie side by side in an image.
  struct RowTile {
    std::int64_t a, row;
    int rows;
  };
  // The runs of pixels of a block, each within an output row.
  struct Runs {
    std::array<Segment, kBlock> list;
    std::int64_t count = 0;
  };

  void add_row_tiles();
  std::int64_t band_floats() const;
  void compute(const sdk::Exec& exec) const override;
  void copy_images(const sdk::Exec& exec, std::int64_t group, int threads) const;
  void sum_by_blocks(const sdk::Exec& exec, std::int64_t group) const;
  void sum_by_tiles(const sdk::Exec& exec, std::int64_t group) const;
  const float* find_runs(std::int64_t block, const float* images, const float* copies,
                         Runs& runs) const;
  void add_block(std::int64_t block, const float* source, const Runs& runs, const float* grad,
                 std::int64_t tile_begin, std::int64_t tile_end, std::int64_t panel_begin,
                 std::int64_t panel_end, bool first, float* totals) const;
  void write(const float* totals, std::int64_t row_begin, std::int64_t row_end,
             std::int64_t col_begin, std::int64_t col_end, float* out) const;
  bool must_skip(const float* by_block) const;

  std::int64_t block_pixels(std::int64_t block) const {
    return std::min(kBlock, pixels_ - block * kBlock);
  }
  float* by_block(const sdk::Exec& exec) const { return exec.workspace<float>(); }
  float* copies(const sdk::Exec& exec) const { return exec.workspace<float>() + copies_at_; }
  float* sums(const sdk::Exec& exec) const { return exec.workspace<float>() + sums_at_; }
  const float* images(const sdk::Exec& exec, std::int64_t group) const {
    return exec.input<float>(0) + group * view_.channels;
  }
  const float* gradient(const sdk::Exec& exec, std::int64_t group) const {
    return exec.input<float>(1) + group * outputs_;
  }
  float* group_output(const sdk::Exec& exec, std::int64_t group) const {
    return exec.output<float>(0) + group * outputs_ * rows_;
  }

  ConvSizes z_;
  bool bias_, accumulate_;
  ImageView view_;
  std::int64_t pixels_, blocks_, outputs_, rows_, panels_;
  bool small_, deep_;
  Source source_ = Source::in_place;
  SourceLayout layout_;
  std::vector<RowTile> tiles_;
  std::int64_t copies_at_ = 0, sums_at_ = 0;  // in the workspace, in floats
};

ConvWeights::ConvWeights(const Op& op, const Parallel& parallel)
    : CanonicalKernel(parallel),
      z_(op),
      bias_(op.outputs.size() > 1),
      accumulate_(ops::Conv2d::from(op.attributes).accumulate),
      view_(ImageView::forward(z_)),
      pixels_(z_.n * z_.p * z_.q),
      blocks_(column_blocks(pixels_)),
      outputs_(z_.k_in_group()),
      rows_(z_.taps() * view_.channels),
      panels_(ceil_div(outputs_, micro_kernels().nr)),
      layout_(view_.in_place()) {
  const double work = static_cast<double>(pixels_) * static_cast<double>(outputs_ * rows_);
  small_ = work < kSmall;
  deep_ = outputs_ * rows_ <= kFewOutputs && blocks_ >= 4;
  if (view_.reaches_outside()) {
    source_ = deep_ && band_floats() <= kRowScratch ? Source::bands : Source::workspace;
    layout_ = view_.copied(view_.y.count);
  }
  add_row_tiles();
  const auto aligned = [](std::int64_t floats) { return ceil_div(floats, 16) * 16; };
  copies_at_ = aligned(blocks_ * z_.k);
  sums_at_ = copies_at_;
  if (source_ == Source::workspace) sums_at_ += aligned(z_.n * layout_.image);
  const std::int64_t slots = deep_ ? std::min(blocks_, kBlocksPerRound) : 1;
  info_.workspace_bytes =
      static_cast<std::size_t>(sums_at_ + slots * rows_ * outputs_) * sizeof(float);
}

void ConvWeights::add_row_tiles() {
  const std::int64_t mr = micro_kernels().mr;
  const bool side_by_side = z_.window.dilation_w == 1 && layout_.pixel == view_.channels;
  const std::int64_t run = view_.channels * (side_by_side ? z_.s : 1);
  if (run == 0) return;
  for (std::int64_t row = 0; row < rows_; row += run) {
    const std::int64_t tap = row / view_.channels;
    const AxisView::Tap& y = view_.y.phases[0].taps[static_cast<std::size_t>(tap / z_.s)];
    const AxisView::Tap& x = view_.x.phases[0].taps[static_cast<std::size_t>(tap % z_.s)];
    const std::int64_t a = y.shift * layout_.row + x.shift * layout_.pixel;
    const std::int64_t count = ceil_div(run, mr);
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t at = cut(run, count, t);
      tiles_.push_back({a + at, row + at, static_cast<int>(cut(run, count, t + 1) - at)});
    }
  }
}

// At most what the pixels of a block look at, copied image by image.
std::int64_t ConvWeights::band_floats() const {
  const std::int64_t output_rows = (kBlock - 2) / z_.q + 2;
  const std::int64_t images = std::min(z_.n, (output_rows - 2) / z_.p + 2);
  const std::int64_t rows = (output_rows - images) * view_.y.step + images * view_.y.span(0, 1);
  return rows * view_.copied(1).row;
}

void ConvWeights::compute(const sdk::Exec& exec) const {
  for (std::int64_t g = 0; g < z_.groups; ++g) {
    if (deep_) {
      sum_by_blocks(exec, g);
    } else {
      sum_by_tiles(exec, g);
    }
  }
  if (bias_) add_block_sums(by_block(exec), blocks_, z_.k, accumulate_, exec.output<float>(1));
}

// Multiplying what lies outside an image as +0 is exact only for a finite gradient. Its column sums
// are needed anyway, and are finite only if it is; when they overflow, the slow way is right too.
bool ConvWeights::must_skip(const float* by_block) const {
  if (!view_.reaches_outside()) return false;
  return !std::all_of(by_block, by_block + blocks_ * z_.k,
                      [](float sum) { return std::isfinite(sum); });
}

// Where the pixels of a block see their first tap from; returns what the runs' offsets start from.
const float* ConvWeights::find_runs(std::int64_t block, const float* images, const float* copies,
                                    Runs& runs) const {
  const std::int64_t height = z_.p, width = z_.q;
  const std::int64_t a_step = view_.x.step * layout_.pixel, row_step = view_.y.step * layout_.row;
  std::int64_t term = 0, pixel = block * kBlock, band_used = 0;
  const std::int64_t end = pixel + block_pixels(block);
  while (pixel < end) {
    const std::int64_t n = pixel / (height * width), p0 = pixel / width % height;
    const std::int64_t image_end = std::min(end, (n + 1) * height * width);
    // Offset of this image's row p0, column 0.
    std::int64_t row_at = n * layout_.image + p0 * row_step;
    if (source_ == Source::bands) {
      const std::int64_t p1 = (image_end - 1) / width % height + 1;
      view_.copy(images, n, p0, p1, scratch().a + band_used);
      row_at = band_used;
      band_used += view_.y.span(p0, p1) * layout_.row;
    }
    for (std::int64_t q = pixel % width; pixel < image_end; q = 0, row_at += row_step) {
      const std::int64_t terms = std::min(width - q, image_end - pixel), a = row_at + q * a_step;
      Segment* last =
          runs.count > 0 ? &runs.list[static_cast<std::size_t>(runs.count - 1)] : nullptr;
      if (last != nullptr && last->a + last->terms * a_step == a) {
        last->terms += terms;
      } else {
        runs.list[static_cast<std::size_t>(runs.count++)] = {a, term, terms};
      }
      term += terms;
      pixel += terms;
    }
  }
  if (source_ == Source::in_place) return images;
  return (source_ == Source::bands ? scratch().a : copies) + view_.copy_origin();
}

// Adds the sums of a block to the totals [rows, outputs] of some row tiles and column panels.
void ConvWeights::add_block(std::int64_t block, const float* source, const Runs& runs,
                            const float* grad, std::int64_t tile_begin, std::int64_t tile_end,
                            std::int64_t panel_begin, std::int64_t panel_end, bool first,
                            float* totals) const {
  const MicroKernels& micro = micro_kernels();
  const std::int64_t nr = micro.nr, group = kColumnScratch / (kBlock * nr);
  for (std::int64_t p0 = panel_begin; p0 < panel_end; p0 += group) {
    const std::int64_t p1 = std::min(p0 + group, panel_end);
    float* b = scratch().b;
    pack_contiguous(grad + block * kBlock * z_.k + p0 * nr, z_.k,
                    std::min(p1 * nr, outputs_) - p0 * nr, block_pixels(block), b, kBlock * nr);
    for (std::int64_t t = tile_begin; t < tile_end; ++t) {
      const RowTile& rows = tiles_[static_cast<std::size_t>(t)];
      for (std::int64_t p = p0; p < p1; ++p) {
        Tile tile;
        tile.a = source + rows.a;
        tile.a_step = view_.x.step * layout_.pixel;
        tile.b = b + (p - p0) * kBlock * nr;
        tile.segments = runs.list.data();
        tile.segment_count = runs.count;
        tile.cols = static_cast<int>(std::min(nr, outputs_ - p * nr));
        tile.first = first;
        tile.total = totals + rows.row * outputs_ + p * nr;
        tile.total_stride = outputs_;
        micro.select(PanelLayout::columns, rows.rows, tile.cols)(tile);
      }
    }
  }
}

// out[k, row] from totals[row, k].
void ConvWeights::write(const float* totals, std::int64_t row_begin, std::int64_t row_end,
                        std::int64_t col_begin, std::int64_t col_end, float* out) const {
  for (std::int64_t k = col_begin; k < col_end; ++k) {
    for (std::int64_t row = row_begin; row < row_end; ++row) {
      const float total = totals[row * outputs_ + k];
      float& to = out[k * rows_ + row];
      to = accumulate_ ? to + total : total;
    }
  }
}

void ConvWeights::copy_images(const sdk::Exec& exec, std::int64_t group, int threads) const {
  if (source_ != Source::workspace) return;
  parallel().run(threads, z_.n, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      view_.copy(images(exec, group), n, 0, view_.y.count, copies(exec) + n * layout_.image);
    }
  });
}

void ConvWeights::sum_by_blocks(const sdk::Exec& exec, std::int64_t group) const {
  const int threads = small_ ? 1 : exec.threads();
  const auto tiles = static_cast<std::int64_t>(tiles_.size());
  const std::int64_t size = rows_ * outputs_;
  const float *image = images(exec, group), *grad = gradient(exec, group);
  float *slots = sums(exec), *column_sums = by_block(exec);
  copy_images(exec, group, threads);
  for (std::int64_t round = 0; round < blocks_; round += kBlocksPerRound) {
    const std::int64_t count = std::min(kBlocksPerRound, blocks_ - round);
    parallel().run(threads, count, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t block = round + i;
        column_block_sums(grad + block * kBlock * z_.k, z_.k, block_pixels(block), outputs_,
                          column_sums + block * z_.k + group * outputs_);
        Runs runs;
        const float* source = find_runs(block, image, copies(exec), runs);
        // From the second round on slot 0 holds the total so far.
        add_block(block, source, runs, grad, 0, tiles, 0, panels_, i > 0 || round == 0,
                  slots + i * size);
      }
    });
    parallel().run(threads, size, 1024, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t slot = 1; slot < count; ++slot) {
        const float* sum = slots + slot * size;
        for (std::int64_t i = begin; i < end; ++i) slots[i] += sum[i];
      }
    });
  }
  float* out = group_output(exec, group);
  if (must_skip(column_sums)) {
    weights_skipping(parallel(), exec.threads(), view_, image, grad, z_.k, outputs_, accumulate_,
                     out);
  } else {
    write(slots, 0, rows_, 0, outputs_, out);
  }
}

void ConvWeights::sum_by_tiles(const sdk::Exec& exec, std::int64_t group) const {
  const int threads = small_ ? 1 : exec.threads();
  const float *image = images(exec, group), *grad = gradient(exec, group);
  float *totals = sums(exec), *out = group_output(exec, group);
  if (group == 0) {
    column_sums_by_block(parallel(), threads, exec.input<float>(1), pixels_, z_.k, by_block(exec));
  }
  if (must_skip(by_block(exec))) {
    return weights_skipping(parallel(), exec.threads(), view_, image, grad, z_.k, outputs_,
                            accumulate_, out);
  }
  copy_images(exec, group, threads);
  const auto tiles = static_cast<std::int64_t>(tiles_.size());
  if (tiles == 0 || panels_ == 0) return;
  const std::int64_t tasks = threads == 1 ? 1 : threads * kTasksPerThread;
  const std::int64_t row_tasks = std::clamp<std::int64_t>(tiles / 2, 1, tasks);
  const std::int64_t col_tasks = std::clamp<std::int64_t>(ceil_div(tasks, row_tasks), 1, panels_);
  parallel().run(threads, row_tasks * col_tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t r = i / col_tasks, c = i % col_tasks;
      const std::int64_t t0 = cut(tiles, row_tasks, r), t1 = cut(tiles, row_tasks, r + 1);
      const std::int64_t p0 = cut(panels_, col_tasks, c), p1 = cut(panels_, col_tasks, c + 1);
      // Without pixels an empty block sets the totals to zero.
      for (std::int64_t block = 0; block < std::max<std::int64_t>(1, blocks_); ++block) {
        Runs runs;
        const float* source = find_runs(block, image, copies(exec), runs);
        add_block(block, source, runs, grad, t0, t1, p0, p1, block == 0, totals);
      }
      const RowTile& last = tiles_[static_cast<std::size_t>(t1 - 1)];
      const std::int64_t nr = micro_kernels().nr;
      write(totals, tiles_[static_cast<std::size_t>(t0)].row, last.row + last.rows, p0 * nr,
            std::min(p1 * nr, outputs_), out);
    }
  });
}

KernelPtr make_conv2d_weights(const Op& op, const Parallel& parallel) {
  return std::make_unique<ConvWeights>(op, parallel);
}

}  // namespace

std::span<const Entry> conv2d_weights_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Conv2d::kBackwardWeights, &make_conv2d_weights},
  };
  return kEntries;
}

}  // namespace soma::common
