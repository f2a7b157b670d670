#include "axis_reduction.hpp"

#include <algorithm>

#include "copy.hpp"
#include "kernel_base.hpp"
#include "lanes.hpp"
#include "reductions.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGrain = 16384;         // elements, 64 KiB
constexpr std::int64_t kColumns = 4 * kLanes;  // that a task takes through the reduced axis

std::int64_t grain_of(std::int64_t size) {
  return std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, size));
}

std::int64_t block_of(const ops::AxisView& view) { return view.inner == 1 ? kSumBlock : kRowBlock; }
std::int64_t blocks_of(const ops::AxisView& view) {
  return (view.reduced + block_of(view) - 1) / block_of(view);
}

// sums[c] over `rows` rows of products for `cols` <= kColumns columns.
void product_block(const float* x, const float* by, std::int64_t stride, std::int64_t rows,
                   std::int64_t cols, float* sums) {
  Lanes sum[4] = {Lanes(0), Lanes(0), Lanes(0), Lanes(0)};
  for (std::int64_t m = 0; m < rows; ++m, x += stride, by += stride) {
    for (int j = 0; j < 4; ++j) {
      const std::int64_t left = cols - kLanes * j;
      sum[j] = sum[j] + load_lanes(x + kLanes * j, left) * load_lanes(by + kLanes * j, left);
    }
  }
  for (int j = 0; j < 4; ++j) store_lanes(sum[j], sums + kLanes * j, cols - kLanes * j);
}

// The sums of all blocks, to partial[o, block, i].
void sum_blocks(const Parallel& parallel, int threads, const ops::AxisView& view, const float* x,
                const float* by, float* partial) {
  const std::int64_t inner = view.inner, block = block_of(view), blocks = blocks_of(view);
  const std::int64_t chunks = (inner + kColumns - 1) / kColumns;
  const std::int64_t size = std::min(block, view.reduced) * std::min(inner, kColumns);
  parallel.run(threads, view.outer * blocks * chunks, grain_of(size),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t o = task / (blocks * chunks), b = task / chunks % blocks;
                   const std::int64_t i = task % chunks * kColumns, r = b * block;
                   const std::int64_t rows = std::min(block, view.reduced - r);
                   const std::int64_t cols = std::min(kColumns, inner - i);
                   const std::int64_t at = (o * view.reduced + r) * inner + i;
                   float* to = partial + (o * blocks + b) * inner + i;
                   if (inner == 1) {
                     *to = by == nullptr ? canonical_sum(x + at, rows)
                                         : canonical_dot(x + at, by + at, rows);
                   } else if (by == nullptr) {
                     column_block_sums(x + at, inner, rows, cols, to);
                   } else {
                     product_block(x + at, by + at, inner, rows, cols, to);
                   }
                 }
               });
}

class SumKernel final : public CanonicalKernel {
 public:
  SumKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        view_(ops::AxisView::around(op.in(0), ops::AxisReduction::from(op.attributes).axis)),
        divisor_(op.id == ops::AxisReduction::kMean ? static_cast<float>(view_.reduced) : 1.0f) {
    info_.workspace_bytes = axis_sums_bytes(view_);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    axis_sums(parallel(), exec.threads(), view_, exec.input<float>(0), nullptr, divisor_,
              exec.output<float>(0), exec.workspace<float>());
  }
  ops::AxisView view_;
  float divisor_;
};

class SumBackwardKernel final : public CanonicalKernel {
 public:
  SumBackwardKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        view_(ops::AxisView::around(op.out(0), ops::AxisReduction::from(op.attributes).axis)),
        divisor_(op.id == ops::AxisReduction::kMeanBackward ? static_cast<float>(view_.reduced)
                                                            : 1.0f) {}

 private:
  // Division by 1 changes nothing, so a sum needs no code of its own.
  void compute(const sdk::Exec& exec) const override {
    const auto* grad_y = exec.input<float>(0);
    auto* grad_x = exec.output<float>(0);
    const std::int64_t reduced = view_.reduced, inner = view_.inner;
    if (inner == 1) {
      parallel().run(exec.threads(), view_.outer, grain_of(reduced),
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t o = begin; o < end; ++o) {
                         std::fill_n(grad_x + o * reduced, reduced, grad_y[o] / divisor_);
                       }
                     });
      return;
    }
    parallel().run(exec.threads(), view_.outer * reduced, grain_of(inner),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                       math::transform_as<Lanes>(grad_y + row / reduced * inner,
                                                 grad_x + row * inner, inner,
                                                 [&](Lanes g) { return g / Lanes(divisor_); });
                     }
                   });
  }
  ops::AxisView view_;
  float divisor_;
};

/// The largest so far of each lane and where it was.
struct Best {
  Lanes value, at;  // `at` holds the bits of an int32

  void see(Lanes next, Lanes::Int index) {
    // Larger, or the first NaN.
    const auto better = value < next || (next != next && value == value);
    value = select(better, next, value);
    at = select(better, Lanes::from_bits(index), at);
  }
};

/// The same for one number.
struct BestOne {
  float value;
  std::int32_t at;

  void see(float next, std::int32_t index) {
    if (next > value || (next != next && value == value)) *this = {next, index};
  }
  /// Takes one that was found independently of this one, so either may come first.
  void join(const BestOne& other) {
    const bool nan = value != value, other_nan = other.value != other.value;
    const bool equal = nan == other_nan && (nan || value == other.value);
    const bool better = equal ? other.at < at : other_nan || (!nan && other.value > value);
    if (better) *this = other;
  }
};

Lanes::Int first_indices() {
  float lane[kLanes];
  for (std::int64_t i = 0; i < kLanes; ++i) {
    lane[i] = std::bit_cast<float>(static_cast<std::int32_t>(i));
  }
  return bits(Lanes::load(lane));
}

BestOne best_of_row(const float* x, std::int64_t n) {
  BestOne best{x[0], 0};
  std::int64_t i = 0;
  if (n >= kLanes) {
    Lanes::Int index = first_indices();
    Best lanes{Lanes::load(x), Lanes::from_bits(index)};
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      index = index + Lanes::Int(static_cast<std::int32_t>(kLanes));
      lanes.see(Lanes::load(x + i), index);
    }
    float value[kLanes], at[kLanes];
    lanes.value.store(value);
    lanes.at.store(at);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      best.join({value[lane], std::bit_cast<std::int32_t>(at[lane])});
    }
  }
  for (; i < n; ++i) best.see(x[i], static_cast<std::int32_t>(i));
  return best;
}

class MaxKernel final : public CanonicalKernel {
 public:
  MaxKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        view_(ops::AxisView::around(op.in(0), ops::AxisReduction::from(op.attributes).axis)),
        keep_argmax_(op.outputs.size() > 1) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    auto* y = exec.output<float>(0);
    auto* argmax = keep_argmax_ ? exec.output<float>(1) : nullptr;  // the bits of int32
    const std::int64_t reduced = view_.reduced, inner = view_.inner;
    if (inner == 1) {
      parallel().run(exec.threads(), view_.outer, grain_of(reduced),
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t o = begin; o < end; ++o) {
                         const BestOne best = best_of_row(x + o * reduced, reduced);
                         y[o] = best.value;
                         if (argmax != nullptr) argmax[o] = std::bit_cast<float>(best.at);
                       }
                     });
      return;
    }
    const std::int64_t chunks = (inner + kColumns - 1) / kColumns;
    parallel().run(exec.threads(), view_.outer * chunks,
                   grain_of(reduced * std::min(inner, kColumns)),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t task = begin; task < end; ++task) {
                       const std::int64_t o = task / chunks, i = task % chunks * kColumns;
                       const std::int64_t to = o * inner + i;
                       columns(x + o * reduced * inner + i, std::min(kColumns, inner - i), y + to,
                               argmax == nullptr ? nullptr : argmax + to);
                     }
                   });
  }
  void columns(const float* x, std::int64_t cols, float* y, float* argmax) const {
    Best best[4];
    for (int j = 0; j < 4; ++j) best[j] = {load_lanes(x + kLanes * j, cols - kLanes * j), Lanes(0)};
    for (std::int64_t r = 1; r < view_.reduced; ++r) {
      const float* row = x + r * view_.inner;
      const Lanes::Int index(static_cast<std::int32_t>(r));
      for (int j = 0; j < 4; ++j)
        best[j].see(load_lanes(row + kLanes * j, cols - kLanes * j), index);
    }
    for (int j = 0; j < 4; ++j) {
      store_lanes(best[j].value, y + kLanes * j, cols - kLanes * j);
      if (argmax != nullptr) store_lanes(best[j].at, argmax + kLanes * j, cols - kLanes * j);
    }
  }

  ops::AxisView view_;
  bool keep_argmax_;
};

class MaxBackwardKernel final : public CanonicalKernel {
 public:
  MaxBackwardKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        view_(ops::AxisView::around(op.out(0), ops::AxisReduction::from(op.attributes).axis)) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* grad_y = exec.input<float>(0);
    const auto* argmax = exec.input<std::int32_t>(1);
    auto* grad_x = exec.output<float>(0);
    const std::int64_t reduced = view_.reduced, inner = view_.inner;
    if (inner == 1) {
      parallel().run(exec.threads(), view_.outer, grain_of(reduced),
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t o = begin; o < end; ++o) {
                         zero_floats(grad_x + o * reduced, reduced);
                         if (argmax[o] >= 0 && argmax[o] < reduced) {
                           grad_x[o * reduced + argmax[o]] = grad_y[o];
                         }
                       }
                     });
      return;
    }
    parallel().run(exec.threads(), view_.outer * reduced, grain_of(inner),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                       const std::int64_t from = row / reduced * inner;
                       const auto r = static_cast<std::int32_t>(row % reduced);
                       float* to = grad_x + row * inner;
                       for (std::int64_t i = 0; i < inner; ++i) {
                         to[i] = argmax[from + i] == r ? grad_y[from + i] : 0.0f;
                       }
                     }
                   });
  }
  ops::AxisView view_;
};

template <class K>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<K>(op, parallel);
}

}  // namespace

void axis_sums(const Parallel& parallel, int threads, const ops::AxisView& view, const float* x,
               const float* by, float divisor, float* sums, float* workspace) {
  const std::int64_t blocks = blocks_of(view), inner = view.inner, kept = view.kept();
  if (blocks == 1) {  // +0 plus the only block is that block, which is never -0
    sum_blocks(parallel, threads, view, x, by, sums);
  } else {
    sum_blocks(parallel, threads, view, x, by, workspace);
    for (std::int64_t o = 0; o < view.outer; ++o) {
      add_block_sums(workspace + o * blocks * inner, blocks, inner, false, sums + o * inner);
    }
  }
  if (divisor == 1) return;
  parallel.run(threads, kept, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) sums[i] /= divisor;
  });
}

std::size_t axis_sums_bytes(const ops::AxisView& view) {
  const std::int64_t blocks = blocks_of(view);
  return blocks > 1 ? static_cast<std::size_t>(blocks * view.kept()) * sizeof(float) : 0;
}

std::span<const Entry> axis_reduction_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::AxisReduction::kSum, &make<SumKernel>},
      {ops::AxisReduction::kSumBackward, &make<SumBackwardKernel>},
      {ops::AxisReduction::kMean, &make<SumKernel>},
      {ops::AxisReduction::kMeanBackward, &make<SumBackwardKernel>},
      {ops::AxisReduction::kMax, &make<MaxKernel>},
      {ops::AxisReduction::kMaxBackward, &make<MaxBackwardKernel>},
  };
  return kEntries;
}

}  // namespace soma::common
