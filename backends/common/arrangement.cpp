#include "soma/sdk/ops/arrangement.hpp"

#include <algorithm>
#include <array>

#include "copy.hpp"
#include "kernel_base.hpp"
#include "soma/sdk/ops/broadcast.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements, 64 KiB

template <class K>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<K>(op, parallel);
}

class ConcatKernel final : public CanonicalKernel {
 public:
  ConcatKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), n_(op.out(0).elements()) {
    const int axis = ops::Concat::from(op.attributes).axis;
    starts_.push_back(0);
    for (const TensorInfo& input : op.inputs) {
      starts_.push_back(starts_.back() + input.shape.elements_from(axis));
    }
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    auto* y = exec.output<float>(0);
    const std::int64_t row = starts_.back();
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end;) {
        const std::int64_t outer = at / row, col = at % row;
        const auto next = std::ranges::upper_bound(starts_, col);
        const auto k = static_cast<int>(next - starts_.begin()) - 1;
        const std::int64_t first = *std::prev(next), width = *next - first;
        const std::int64_t count = std::min(*next - col, end - at);
        copy_floats(exec.input<float>(k) + outer * width + (col - first), y + at, count);
        at += count;
      }
    });
  }
  std::vector<std::int64_t> starts_;  // of each input within a row of y; the row's end
  std::int64_t n_;
};

/// One axis of a small tensor within a large one.
struct BoxAxis {
  std::int64_t small, large, start;
  bool whole() const { return small == large; }
};

/// The axes of slice or pad from x to y, an axis that is whole joined to the one before it, so that
/// the last one is a run in memory of both tensors.
std::vector<BoxAxis> box_axes(const Op& op) {
  const bool forward = op.direction() == "fwd";
  const Shape &x = forward ? op.in(0) : op.out(0), &y = forward ? op.out(0) : op.in(0);
  const bool slice = op.family() == "slice/1";
  const Shape &small = slice ? y : x, &large = slice ? x : y;
  std::vector<std::int64_t> start(static_cast<std::size_t>(x.rank()), 0);
  if (slice) {
    const auto part = ops::Slice::from(op.attributes);
    start[static_cast<std::size_t>(part.axis)] = part.begin;
  } else {
    const auto pad = ops::Pad::from(op.attributes);
    for (std::size_t i = 0; i < start.size(); ++i) start[i] = pad.padding[i][0];
  }
  std::vector<BoxAxis> axes;
  for (int i = 0; i < x.rank(); ++i) {
    const BoxAxis axis{small[i], large[i], start[static_cast<std::size_t>(i)]};
    if (axis.whole() && !axes.empty()) {
      BoxAxis& outer = axes.back();
      outer = {outer.small * axis.small, outer.large * axis.large, outer.start * axis.large};
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.empty()) axes.push_back({1, 1, 0});
  return axes;
}

/// The small tensor taken out of the large one.
class ExtractKernel final : public CanonicalKernel {
 public:
  ExtractKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), axes_(box_axes(op)), n_(op.out(0).elements()) {}

 private:
  // Where row `row` of the small tensor begins in the large one.
  std::int64_t place(std::int64_t row) const {
    std::int64_t at = axes_.back().start, stride = axes_.back().large;
    for (std::size_t i = axes_.size() - 1; i-- > 0;) {
      at += (row % axes_[i].small + axes_[i].start) * stride;
      row /= axes_[i].small;
      stride *= axes_[i].large;
    }
    return at;
  }
  void compute(const sdk::Exec& exec) const override {
    const auto* from = exec.input<float>(0);
    auto* to = exec.output<float>(0);
    const std::int64_t run = axes_.back().small;
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end;) {
        const std::int64_t col = at % run, count = std::min(run - col, end - at);
        copy_floats(from + place(at / run) + col, to + at, count);
        at += count;
      }
    });
  }
  std::vector<BoxAxis> axes_;
  std::int64_t n_;
};

/// The small tensor put into a large one of one value.
class EmbedKernel final : public CanonicalKernel {
 public:
  EmbedKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        axes_(box_axes(op)),
        n_(op.out(0).elements()),
        value_(static_cast<float>(op.attributes.real("value", 0))) {}

 private:
  // Where row `row` of the large tensor begins in the small one; -1 where it is outside.
  std::int64_t place(std::int64_t row) const {
    std::int64_t at = 0, stride = axes_.back().small;
    for (std::size_t i = axes_.size() - 1; i-- > 0;) {
      const std::int64_t index = row % axes_[i].large - axes_[i].start;
      if (index < 0 || index >= axes_[i].small) return -1;
      at += index * stride;
      row /= axes_[i].large;
      stride *= axes_[i].small;
    }
    return at;
  }
  void compute(const sdk::Exec& exec) const override {
    const auto* from = exec.input<float>(0);
    auto* to = exec.output<float>(0);
    const BoxAxis last = axes_.back();
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end;) {
        const std::int64_t col = at % last.large, stop = std::min(last.large, col + (end - at));
        const std::int64_t source = place(at / last.large);
        // Columns [first, after) of this stretch come from the small tensor.
        const std::int64_t first = source < 0 ? stop : std::clamp(last.start, col, stop);
        const std::int64_t after =
            source < 0 ? stop : std::clamp(last.start + last.small, first, stop);
        float* row = to + at - col;
        std::fill(row + col, row + first, value_);
        if (first < after) {
          copy_floats(from + source + first - last.start, row + first, after - first);
        }
        std::fill(row + after, row + stop, value_);
        at += stop - col;
      }
    });
  }
  std::vector<BoxAxis> axes_;
  std::int64_t n_;
  float value_;
};

}  // namespace

std::span<const Entry> arrangement_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Concat::kForward, &make<ConcatKernel>}, {ops::Slice::kForward, &make<ExtractKernel>},
      {ops::Slice::kBackward, &make<EmbedKernel>},  {ops::Pad::kForward, &make<EmbedKernel>},
      {ops::Pad::kBackward, &make<ExtractKernel>},
  };
  return kEntries;
}

}  // namespace soma::common
