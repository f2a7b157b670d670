#include "soma/sdk/ops/conv2d.hpp"

#include <algorithm>
#include <cstring>

#include "conv2d_geometry.hpp"
#include "conv2d_skipping.hpp"
#include "epilogue.hpp"
#include "kernel_base.hpp"
#include "lanes.hpp"
#include "matrix_source.hpp"
#include "schedule.hpp"

namespace soma::common {
namespace {

// Weights [K,R,S,C/g] of one group as the right operand of bwd_data: terms (r, s, k), columns c.
class DataWeights final : public ColumnSource {
 public:
  DataWeights(const float* weight, const ConvSizes& z)
      : weight_(weight), outputs_(z.k_in_group()), channels_(z.c_in_group()), taps_(z.taps()) {}
  void pack(std::int64_t n, std::int64_t cols, std::int64_t k, std::int64_t kc, float* panels,
            std::int64_t panel_stride) const override {
    const int nr = micro_kernels().nr;
    std::int64_t tap = k / outputs_, output = k % outputs_;
    while (kc > 0) {
      const std::int64_t run = std::min(kc, outputs_ - output);
      const std::int64_t stride = taps_ * channels_;
      pack_contiguous(weight_ + output * stride + tap * channels_ + n, stride, cols, run, panels,
                      panel_stride);
      panels += run * nr;
      kc -= run;
      output = 0;
      ++tap;
    }
  }

 private:
  const float* weight_;
  std::int64_t outputs_, channels_, taps_;
};

bool all_finite(const float* x, std::int64_t n) {
  // x * 0 is NaN for an Inf or a NaN, which then stays in the sum.
  Lanes seen(0), zero(0);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) seen = fma(Lanes::load(x + i), zero, seen);
  if (i < n) seen = fma(Lanes::load_partial(x + i, n - i), zero, seen);
  return !any(seen != seen);
}

// Forward and bwd_data. A tile is up to mr neighbouring output pixels of one phase; the
// micro-kernel reads what they see where it lies, tap by tap, so nothing like im2col is ever
// written. Images with borders are copied with zeros around, a band at a time into the scratch of
// the thread. The pack holds the packed weights of each group, and then a flag: whether all of them
// are finite.
class ConvKernel final : public CanonicalKernel {
 public:
  ConvKernel(const Op& op, const Parallel& parallel);
  void pack(const sdk::Exec& exec, void* pack) const override;

 private:
  using Flag = std::int64_t;
  enum class Source { in_place, bands, workspace };

  // Outputs that see through the same taps, and the terms they see in each block.
  struct PhasePair {
    const AxisView::Phase *y, *x;
    std::vector<Segment> segments;
    std::vector<std::size_t> block_begin;
  };
  // Rows [begin, end) of each phase, of images [first, last).
  struct Unit {
    std::int64_t first, last, begin, end;
  };

  void add_phase_pair(const AxisView::Phase& y, const AxisView::Phase& x);
  std::int64_t rows_per_unit(int threads) const;
  void compute(const sdk::Exec& exec) const override;
  void compute_group(const sdk::Exec& exec, std::int64_t group, const Product& product) const;
  void compute_skipping(const sdk::Exec& exec, std::int64_t group, const Product& product) const;
  void compute_unit(const Unit& unit, const float* images, const float* copies, const float* packed,
                    const Product& product) const;
  void compute_rows(const PhasePair& pair, std::int64_t n, std::int64_t begin, std::int64_t end,
                    const float* source, Tile tile, bool last, std::int64_t column,
                    const Product& product) const;

  std::int64_t weight_floats() const { return z_.k * z_.taps() * z_.c_in_group(); }
  std::size_t group_pack(std::int64_t group) const {
    return static_cast<std::size_t>(group) * (gemm_.pack_bytes() / sizeof(float));
  }

  ConvSizes z_;
  bool forward_;
  EpiloguePlan epilogue_;
  ImageView view_;
  std::int64_t outputs_, height_, width_;  // of one group, and of the output image
  Gemm gemm_;                              // its packing; the loops are those below
  Source source_ = Source::in_place;
  SourceLayout layout_;
  std::vector<PhasePair> pairs_;
};

ConvKernel::ConvKernel(const Op& op, const Parallel& parallel)
    : CanonicalKernel(parallel),
      z_(op),
      forward_(op.id == ops::Conv2d::kForward),
      epilogue_(ops::Conv2d::from(op.attributes).epilogue),
      view_(forward_ ? ImageView::forward(z_) : ImageView::backward(z_)),
      outputs_(forward_ ? z_.k_in_group() : z_.c_in_group()),
      height_(forward_ ? z_.p : z_.h),
      width_(forward_ ? z_.q : z_.w),
      gemm_(z_.n * height_ * width_, outputs_, z_.taps() * view_.channels, Gemm::Schedule::shared_b,
            false),
      layout_(view_.in_place()) {
  info_.packed_inputs = 1u << 1;
  info_.pack_bytes = group_pack(z_.groups) * sizeof(float) + sizeof(Flag);
  if (view_.reaches_outside()) {
    source_ = view_.copied(1).image <= kRowScratch ? Source::bands : Source::workspace;
    layout_ = view_.copied(view_.y.count);
    if (source_ == Source::workspace) {
      info_.workspace_bytes = static_cast<std::size_t>(z_.n * layout_.image) * sizeof(float);
    }
  }
  for (const auto& y : view_.y.phases) {
    for (const auto& x : view_.x.phases) add_phase_pair(y, x);
  }
}

void ConvKernel::add_phase_pair(const AxisView::Phase& y, const AxisView::Phase& x) {
  PhasePair pair{&y, &x, {}, {}};
  std::int64_t block = -1;
  for (const AxisView::Tap& ty : y.taps) {
    for (const AxisView::Tap& tx : x.taps) {
      const std::int64_t tap = ty.tap * view_.x.taps + tx.tap;
      for (std::int64_t c = 0; c < view_.channels;) {
        const std::int64_t k = tap * view_.channels + c;
        const std::int64_t terms = std::min(view_.channels - c, kBlock - k % kBlock);
        for (; block < k / kBlock; ++block) pair.block_begin.push_back(pair.segments.size());
        const std::int64_t a = ty.shift * layout_.row + tx.shift * layout_.pixel + c;
        const bool fresh = pair.block_begin.back() == pair.segments.size();
        Segment* last = fresh ? nullptr : &pair.segments.back();
        if (last != nullptr && last->a + last->terms == a &&
            last->term + last->terms == k % kBlock) {
          last->terms += terms;  // taps that lie side by side are one run
        } else {
          pair.segments.push_back({a, k % kBlock, terms});
        }
        c += terms;
      }
    }
  }
  while (static_cast<std::int64_t>(pair.block_begin.size()) <= gemm_.blocks()) {
    pair.block_begin.push_back(pair.segments.size());
  }
  pairs_.push_back(std::move(pair));
}

void ConvKernel::pack(const sdk::Exec& exec, void* pack) const {
  const auto* weight = exec.input<float>(1);
  auto* packed = static_cast<float*>(pack);
  const std::int64_t group_floats = weight_floats() / z_.groups;
  for (std::int64_t g = 0; g < z_.groups; ++g) {
    const float* of_group = weight + g * group_floats;
    if (forward_) {
      const std::int64_t row = z_.taps() * z_.c_in_group();
      gemm_.pack_b(parallel(), exec.threads(), MatrixColumns(of_group, row, Along::terms),
                   packed + group_pack(g));
    } else {
      gemm_.pack_b(parallel(), exec.threads(), DataWeights(of_group, z_), packed + group_pack(g));
    }
  }
  const Flag finite = all_finite(weight, weight_floats()) ? 1 : 0;
  std::memcpy(packed + group_pack(z_.groups), &finite, sizeof finite);
}

void ConvKernel::compute(const sdk::Exec& exec) const {
  const Product whole = epilogue_.product(exec, outputs_ * z_.groups);
  Flag finite;
  std::memcpy(&finite, exec.pack<float>() + group_pack(z_.groups), sizeof finite);
  for (std::int64_t g = 0; g < z_.groups; ++g) {
    Product product = whole;
    product.finish.out += g * outputs_;
    if (product.finish.bias != nullptr) product.finish.bias += g * outputs_;
    if (product.finish.residual != nullptr) product.finish.residual += g * outputs_;
    if (view_.reaches_outside() && finite == 0) {
      compute_skipping(exec, g, product);
    } else {
      compute_group(exec, g, product);
    }
  }
}

void ConvKernel::compute_skipping(const sdk::Exec& exec, std::int64_t group,
                                  const Product& product) const {
  const std::int64_t channels = z_.c_in_group(), row = z_.taps() * channels;
  const float* images = exec.input<float>(0) + group * view_.channels;
  const float* weight = exec.input<float>(1) + group * z_.k_in_group() * row;
  const WeightStrides strides =
      forward_ ? WeightStrides{row, channels, 1} : WeightStrides{1, channels, row};
  convolve_skipping(parallel(), exec.threads(), view_, images, weight, strides, outputs_, product);
}

// Most rows that fit the scratch, or fewer where there would not be enough units for all threads.
// Whole images where it is more than one.
std::int64_t ConvKernel::rows_per_unit(int threads) const {
  const AxisView& y = view_.y;
  const std::int64_t row = std::max<std::int64_t>(1, layout_.row);
  const std::int64_t image = y.span(0, y.count) * row;
  std::int64_t most =
      image <= kRowScratch
          ? kRowScratch / image * y.count
          : std::max<std::int64_t>(1, (kRowScratch / row - y.span(0, 1)) / y.step + 1);
  most = std::min(most, y.count * z_.n);
  const std::int64_t share = ceil_div(y.count * z_.n, threads * kTasksPerThread);
  const std::int64_t rows = threads == 1 ? most : std::clamp<std::int64_t>(share, 1, most);
  return rows < y.count ? rows : rows / y.count * y.count;
}

void ConvKernel::compute_group(const sdk::Exec& exec, std::int64_t group,
                               const Product& product) const {
  if (z_.n == 0 || outputs_ == 0 || view_.y.count == 0 || view_.x.count == 0) return;
  const int threads = gemm_.is_small() ? 1 : exec.threads();
  const float* images = exec.input<float>(0) + group * view_.channels;
  auto* copies = exec.workspace<float>();
  if (source_ == Source::workspace) {
    parallel().run(threads, z_.n, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        view_.copy(images, n, 0, view_.y.count, copies + n * layout_.image);
      }
    });
  }
  const std::int64_t height = view_.y.count, rows = rows_per_unit(threads);
  const std::int64_t images_per_unit = std::max<std::int64_t>(1, rows / height);
  const std::int64_t units_per_image = ceil_div(height, std::min(rows, height));
  const std::int64_t units = ceil_div(z_.n, images_per_unit) * units_per_image;
  const float* packed = exec.pack<float>() + group_pack(group);
  parallel().run(threads, units, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / units_per_image * images_per_unit, part = i % units_per_image;
      compute_unit({n, std::min(n + images_per_unit, z_.n), cut(height, units_per_image, part),
                    cut(height, units_per_image, part + 1)},
                   images, copies, packed, product);
    }
  });
}

void ConvKernel::compute_unit(const Unit& unit, const float* images, const float* copies,
                              const float* packed, const Product& product) const {
  const std::int64_t nr = micro_kernels().nr, row_step = view_.y.step * layout_.row;
  // Where output row `begin` of the unit's first image starts, and from there the next image's.
  const float* source = images + unit.first * layout_.image + unit.begin * row_step;
  std::int64_t image = layout_.image;
  if (source_ == Source::workspace) {
    source = copies + view_.copy_origin() + unit.first * image + unit.begin * row_step;
  } else if (source_ == Source::bands) {
    float* band = scratch().a;
    image = view_.copied(unit.end - unit.begin).image;
    for (std::int64_t n = unit.first; n < unit.last; ++n) {
      view_.copy(images, n, unit.begin, unit.end, band + (n - unit.first) * image);
    }
    source = band + view_.copy_origin();
  }
  for (std::int64_t panel = 0; panel < gemm_.column_panels(); ++panel) {
    for (std::int64_t block = 0; block < gemm_.blocks(); ++block) {
      Tile tile;
      tile.a_step = view_.x.step * layout_.pixel;
      tile.b = gemm_.panel(packed, block, panel);
      tile.cols = static_cast<int>(std::min(nr, outputs_ - panel * nr));
      tile.first = block == 0;
      const bool last = block + 1 == gemm_.blocks();
      for (std::int64_t n = unit.first; n < unit.last; ++n) {
        for (const PhasePair& pair : pairs_) {
          const auto b = static_cast<std::size_t>(block);
          tile.segments = pair.segments.data() + pair.block_begin[b];
          tile.segment_count =
              static_cast<std::int64_t>(pair.block_begin[b + 1] - pair.block_begin[b]);
          compute_rows(pair, n, unit.begin, std::min(unit.end, pair.y->count),
                       source + (n - unit.first) * image, tile, last, panel * nr, product);
        }
      }
    }
  }
}

void ConvKernel::compute_rows(const PhasePair& pair, std::int64_t n, std::int64_t begin,
                              std::int64_t end, const float* source, Tile tile, bool last,
                              std::int64_t column, const Product& product) const {
  const MicroKernels& micro = micro_kernels();
  const std::int64_t tiles = ceil_div(pair.x->count, micro.mr);
  TileFinish finish = product.finish;
  finish.out_stride *= view_.x.out_step;
  finish.residual_stride *= view_.x.out_step;
  if (finish.bias != nullptr) finish.bias += column;
  if (last) tile.finish = &finish;
  tile.total_stride = finish.out_stride;
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t row = n * height_ + pair.y->first + i * view_.y.out_step;
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t j = cut(pair.x->count, tiles, t);
      const int rows = static_cast<int>(cut(pair.x->count, tiles, t + 1) - j);
      const std::int64_t pixel = row * width_ + pair.x->first + j * view_.x.out_step;
      finish.out = product.finish.out + pixel * product.finish.out_stride + column;
      if (finish.residual != nullptr) {
        finish.residual = product.finish.residual + pixel * product.finish.residual_stride + column;
      }
      tile.total = finish.out;
      tile.a = source + (i - begin) * view_.y.step * layout_.row + j * tile.a_step;
      micro.select(PanelLayout::rows, rows, tile.cols)(tile);
      if (last && product.activation != nullptr) {
        for (int r = 0; r < rows; ++r) {
          float* y = finish.out + r * finish.out_stride;
          product.activation(y, y, tile.cols);
        }
      }
    }
  }
}

KernelPtr make_conv2d(const Op& op, const Parallel& parallel) {
  return std::make_unique<ConvKernel>(op, parallel);
}

}  // namespace

std::span<const Entry> conv2d_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Conv2d::kForward, &make_conv2d},
      {ops::Conv2d::kBackwardData, &make_conv2d},
  };
  return kEntries;
}

}  // namespace soma::common
