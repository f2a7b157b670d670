#include "soma/sdk/ops/prelu.hpp"

#include <algorithm>

#include "kernel_base.hpp"
#include "lane_sums.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements, 64 KiB

Lanes activated(Lanes x, Lanes slope) { return select(x < Lanes(0), slope * x, x); }
Lanes gradient(Lanes x, Lanes slope, Lanes grad_y) {
  return select(Lanes(0) < x, grad_y, slope * grad_y);
}
Lanes slope_term(Lanes x, Lanes grad_y) { return select(Lanes(0) <= x, Lanes(0), x * grad_y); }

/// C channels with a slope each, or one slope for all: then one row.
struct Rows {
  std::int64_t rows, channels;
  explicit Rows(const Op& op) {
    const std::int64_t elements = op.in(0).elements();
    const bool one = op.in(1)[0] == 1;
    channels = one ? elements : op.in(1)[0];
    rows = one ? 1 : channels == 0 ? 0 : elements / channels;
  }
};

class Forward final : public CanonicalKernel {
 public:
  Forward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), shape_(op), one_slope_(op.in(1)[0] == 1) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    const auto* slope = exec.input<float>(1);
    auto* y = exec.output<float>(0);
    if (one_slope_) {
      parallel().run(
          exec.threads(), shape_.channels, kGrain, [&](std::int64_t i, std::int64_t end) {
            math::transform_as<Lanes>(x + i, y + i, end - i,
                                      [s = Lanes(slope[0])](Lanes v) { return activated(v, s); });
          });
      return;
    }
    const std::int64_t c = shape_.channels;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, c));
    parallel().run(exec.threads(), shape_.rows, grain, [&](std::int64_t row, std::int64_t end) {
      for (; row < end; ++row) {
        math::transform_as<Lanes>(x + row * c, slope, y + row * c, c, activated);
      }
    });
  }

  Rows shape_;
  bool one_slope_;
};

// One slope: the canonical reduction, a block of it per index.
class BackwardOne final : public CanonicalKernel {
 public:
  BackwardOne(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        n_(op.in(0).elements()),
        blocks_((n_ + kSumBlock - 1) / kSumBlock) {
    info_.workspace_bytes = static_cast<std::size_t>(blocks_) * sizeof(float);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    auto* sums = exec.workspace<float>();
    constexpr std::int64_t kBlocks = kGrain / kSumBlock;
    parallel().run(exec.threads(), blocks_, kBlocks, [&](std::int64_t block, std::int64_t end) {
      for (; block < end; ++block) sums[block] = sum_of_block(exec, block * kSumBlock);
    });
    float total = 0;
    for (std::int64_t block = 0; block < blocks_; ++block) total += sums[block];
    exec.output<float>(1)[0] = total;
  }

  float sum_of_block(const sdk::Exec& exec, std::int64_t first) const {
    const Lanes slope(exec.input<float>(1)[0]);
    const float *x = exec.input<float>(0) + first, *grad_y = exec.input<float>(2) + first;
    float* grad_x = exec.output<float>(0) + first;
    return lane_sum(std::min(kSumBlock, n_ - first), [&](std::int64_t i, auto place) {
      const Lanes v = place.load(x + i), g = place.load(grad_y + i);
      place.store(gradient(v, slope, g), grad_x + i);
      return slope_term(v, g);
    });
  }

  std::int64_t n_, blocks_;
};

// A slope per channel: blocks of kRowBlock rows, each summed by itself.
class BackwardChannels final : public CanonicalKernel {
 public:
  BackwardChannels(const Op& op, const Parallel& parallel) : CanonicalKernel(parallel), shape_(op) {
    info_.workspace_bytes = column_sums_bytes(shape_.rows, shape_.channels);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    constexpr std::int64_t kChunk = 512;  // columns whose sums stay in the first-level cache
    const std::int64_t c = shape_.channels, chunks = (c + kChunk - 1) / kChunk;
    const std::int64_t blocks = column_blocks(shape_.rows);
    auto* by_block = exec.workspace<float>();
    const std::int64_t grain = std::max<std::int64_t>(
        1,
        kGrain / std::max<std::int64_t>(1, std::min(kRowBlock, shape_.rows) * std::min(kChunk, c)));
    parallel().run(exec.threads(), blocks * chunks, grain,
                   [&](std::int64_t piece, std::int64_t end) {
                     for (; piece < end; ++piece) {
                       const std::int64_t block = piece / chunks, col = piece % chunks * kChunk;
                       sum_block(exec, block * kRowBlock, col, std::min(kChunk, c - col),
                                 by_block + block * c + col);
                     }
                   });
    add_block_sums(by_block, blocks, c, false, exec.output<float>(1));
  }

  void sum_block(const sdk::Exec& exec, std::int64_t row, std::int64_t col, std::int64_t cols,
                 float* sums) const {
    const float* slopes = exec.input<float>(1) + col;
    std::fill_n(sums, cols, 0.0f);
    const std::int64_t end = std::min(row + kRowBlock, shape_.rows);
    for (; row < end; ++row) {
      const std::int64_t at = row * shape_.channels + col;
      const float *x = exec.input<float>(0) + at, *grad_y = exec.input<float>(2) + at;
      float* grad_x = exec.output<float>(0) + at;
      for_lanes(cols, [&](std::int64_t i, auto place) {
        const Lanes v = place.load(x + i), g = place.load(grad_y + i);
        place.store(gradient(v, place.load(slopes + i), g), grad_x + i);
        place.store(place.load(sums + i) + slope_term(v, g), sums + i);
      });
    }
  }

  Rows shape_;
};

KernelPtr make_prelu(const Op& op, const Parallel& parallel) {
  if (op.id == ops::PRelu::kForward) return std::make_unique<Forward>(op, parallel);
  if (op.in(1)[0] == 1) return std::make_unique<BackwardOne>(op, parallel);
  return std::make_unique<BackwardChannels>(op, parallel);
}

}  // namespace

std::span<const Entry> prelu_kernels() {
  static constexpr Entry kEntries[] = {{ops::PRelu::kForward, &make_prelu},
                                       {ops::PRelu::kBackward, &make_prelu}};
  return kEntries;
}

}  // namespace soma::common
