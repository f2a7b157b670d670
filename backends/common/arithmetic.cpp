#include "soma/sdk/ops/arithmetic.hpp"

#include <algorithm>

#include "axis_reduction.hpp"
#include "kernel_base.hpp"
#include "soma/sdk/math/lanes.hpp"

namespace soma::common {
namespace {

using Lanes = math::WideF32;
constexpr std::int64_t kGrain = 16384;  // elements, 64 KiB of each operand

struct Times {
  static Lanes of(Lanes a, Lanes b) { return a * b; }
};
struct Plus {
  static Lanes of(Lanes a, Lanes b) { return a + b; }
};
struct Minus {
  static Lanes of(Lanes a, Lanes b) { return a - b; }
};

template <class Function>
class BinaryKernel final : public CanonicalKernel {
 public:
  BinaryKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), n_(op.out(0).elements()) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* a = exec.input<float>(0);
    const auto* b = exec.input<float>(1);
    auto* y = exec.output<float>(0);
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t i, std::int64_t end) {
      math::transform(a + i, b + i, y + i, end - i,
                      [](Lanes u, Lanes v) { return Function::of(u, v); });
    });
  }
  std::int64_t n_;
};

class ScaleKernel final : public CanonicalKernel {
 public:
  ScaleKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        scale_(ops::Scale::from(op.attributes)),
        n_(op.out(0).elements()) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    auto* y = exec.output<float>(0);
    const Lanes factor(scale_.factor), offset(scale_.offset);
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t i, std::int64_t end) {
      if (scale_.offset == 0) {
        math::transform(x + i, y + i, end - i, [&](Lanes v) { return factor * v; });
      } else {
        math::transform(x + i, y + i, end - i, [&](Lanes v) { return fma(factor, v, offset); });
      }
    });
  }
  ops::Scale scale_;
  std::int64_t n_;
};

/// b repeats over x. A run is what b lies beside without repeating, or what one number of b alone
/// is beside.
template <class Function>
class BroadcastKernel final : public CanonicalKernel {
 public:
  BroadcastKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        view_(ops::AxisView::broadcast("broadcast", op.in(0), op.in(1))),
        n_(op.out(0).elements()) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    const auto* b = exec.input<float>(1);
    auto* y = exec.output<float>(0);
    const bool once = view_.reduced == 1;  // b has as many elements as x
    const bool single = view_.inner == 1 && !once;
    const std::int64_t run = once ? n_ : single ? view_.reduced : view_.inner;
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end;) {
        const std::int64_t row = at / run, col = at % run;
        const std::int64_t count = std::min(run - col, end - at);
        if (single) {
          const Lanes number(b[row]);
          math::transform(x + at, y + at, count, [&](Lanes v) { return Function::of(v, number); });
        } else {
          math::transform(x + at, b + row / view_.reduced * run + col, y + at, count,
                          [](Lanes u, Lanes v) { return Function::of(u, v); });
        }
        at += count;
      }
    });
  }
  ops::AxisView view_;
  std::int64_t n_;
};

/// Sums over the repeats of b: of grad_y, or of grad_y * x.
class BroadcastBackwardKernel final : public CanonicalKernel {
 public:
  BroadcastBackwardKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        view_(ops::AxisView::broadcast("broadcast", op.in(0), op.out(0))),
        product_(op.inputs.size() > 1) {
    info_.workspace_bytes = axis_sums_bytes(view_);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    axis_sums(parallel(), exec.threads(), view_, exec.input<float>(0),
              product_ ? exec.input<float>(1) : nullptr, 1.0f, exec.output<float>(0),
              exec.workspace<float>());
  }
  ops::AxisView view_;
  bool product_;
};

template <class K>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<K>(op, parallel);
}

}  // namespace

std::span<const Entry> arithmetic_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Multiply::kForward, &make<BinaryKernel<Times>>},
      {ops::Subtract::kForward, &make<BinaryKernel<Minus>>},
      {ops::Scale::kForward, &make<ScaleKernel>},
      {ops::Broadcast::kAdd, &make<BroadcastKernel<Plus>>},
      {ops::Broadcast::kAddBackward, &make<BroadcastBackwardKernel>},
      {ops::Broadcast::kMultiply, &make<BroadcastKernel<Times>>},
      {ops::Broadcast::kMultiplyBackward, &make<BroadcastBackwardKernel>},
  };
  return kEntries;
}

}  // namespace soma::common
