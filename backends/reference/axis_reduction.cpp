#include "axis_reduction.hpp"

#include "kernels.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"

namespace soma::reference {
namespace {

// Letters as in the header: O outer, R reduced, I inner.

ops::AxisView view_of(const Op& op, const Shape& x) {
  return ops::AxisView::around(x, ops::AxisReduction::from(op.attributes).axis);
}

template <class T>
class Sum final : public LoopKernel<T> {
 public:
  explicit Sum(const Op& op)
      : view_(view_of(op, op.in(0))), mean_(op.id == ops::AxisReduction::kMean) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* x = exec.input<T>(0);
    T* y = exec.output<T>(0);
    axis_sums(
        view_, [=](std::int64_t i) { return x[i]; }, y);
    if (!mean_) return;
    for (std::int64_t i = 0; i < view_.kept(); ++i) y[i] /= static_cast<T>(view_.reduced);
  }
  ops::AxisView view_;
  bool mean_;
};

template <class T>
class SumBackward final : public LoopKernel<T> {
 public:
  explicit SumBackward(const Op& op)
      : view_(view_of(op, op.out(0))), mean_(op.id == ops::AxisReduction::kMeanBackward) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad_y = exec.input<T>(0);
    T* grad_x = exec.output<T>(0);
    for (std::int64_t o = 0; o < view_.outer; ++o) {
      for (std::int64_t r = 0; r < view_.reduced; ++r) {
        for (std::int64_t i = 0; i < view_.inner; ++i) {
          const T g = grad_y[o * view_.inner + i];
          grad_x[(o * view_.reduced + r) * view_.inner + i] =
              mean_ ? g / static_cast<T>(view_.reduced) : g;
        }
      }
    }
  }
  ops::AxisView view_;
  bool mean_;
};

template <class T>
class Max final : public LoopKernel<T> {
 public:
  explicit Max(const Op& op) : view_(view_of(op, op.in(0))), keep_argmax_(op.outputs.size() > 1) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* x = exec.input<T>(0);
    T* y = exec.output<T>(0);
    std::int32_t* argmax = keep_argmax_ ? exec.output<std::int32_t>(1) : nullptr;
    for (std::int64_t o = 0; o < view_.outer; ++o) {
      for (std::int64_t i = 0; i < view_.inner; ++i) {
        const T* from = x + o * view_.reduced * view_.inner + i;
        T best = from[0];
        std::int64_t at = 0;
        for (std::int64_t r = 1; r < view_.reduced; ++r) {
          const T next = from[r * view_.inner];
          // Larger, or the first NaN.
          if (next > best || (next != next && best == best)) {
            best = next;
            at = r;
          }
        }
        y[o * view_.inner + i] = best;
        if (argmax != nullptr) argmax[o * view_.inner + i] = static_cast<std::int32_t>(at);
      }
    }
  }
  ops::AxisView view_;
  bool keep_argmax_;
};

template <class T>
class MaxBackward final : public LoopKernel<T> {
 public:
  explicit MaxBackward(const Op& op) : view_(view_of(op, op.out(0))) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad_y = exec.input<T>(0);
    const std::int32_t* argmax = exec.input<std::int32_t>(1);
    T* grad_x = exec.output<T>(0);
    for (std::int64_t o = 0; o < view_.outer; ++o) {
      for (std::int64_t r = 0; r < view_.reduced; ++r) {
        for (std::int64_t i = 0; i < view_.inner; ++i) {
          const std::int64_t from = o * view_.inner + i;
          grad_x[(o * view_.reduced + r) * view_.inner + i] =
              argmax[from] == r ? grad_y[from] : T(0);
        }
      }
    }
  }
  ops::AxisView view_;
};

}  // namespace

std::span<const Entry> axis_reduction_kernels() {
  static const Entry entries[] = {
      entry<Sum>(ops::AxisReduction::kSum),  entry<SumBackward>(ops::AxisReduction::kSumBackward),
      entry<Sum>(ops::AxisReduction::kMean), entry<SumBackward>(ops::AxisReduction::kMeanBackward),
      entry<Max>(ops::AxisReduction::kMax),  entry<MaxBackward>(ops::AxisReduction::kMaxBackward)};
  return entries;
}

}  // namespace soma::reference
