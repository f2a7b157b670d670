#include "soma/sdk/ops/arithmetic.hpp"

#include "axis_reduction.hpp"
#include "kernels.hpp"

namespace soma::reference {
namespace {

// Element i of the output depends on element i of the inputs alone, so the buffers may be the same;
// ivdep tells the compiler so.

struct Times {
  template <class T>
  static T of(T a, T b) {
    return a * b;
  }
};
struct Plus {
  template <class T>
  static T of(T a, T b) {
    return a + b;
  }
};
struct Minus {
  template <class T>
  static T of(T a, T b) {
    return a - b;
  }
};

template <class Function>
struct Binary {
  template <class T>
  class Forward final : public LoopKernel<T> {
   public:
    explicit Forward(const Op& op) : elements_(op.in(0).elements()) {}

   private:
    void run(const sdk::Exec& exec) const override {
      const T *a = exec.input<T>(0), *b = exec.input<T>(1);
      T* y = exec.output<T>(0);
#pragma GCC ivdep
      for (std::int64_t i = 0; i < elements_; ++i) y[i] = Function::of(a[i], b[i]);
    }
    std::int64_t elements_;
  };

  /// b repeats over x.
  template <class T>
  class Repeated final : public LoopKernel<T> {
   public:
    explicit Repeated(const Op& op)
        : view_(ops::AxisView::broadcast("broadcast", op.in(0), op.in(1))) {}

   private:
    void run(const sdk::Exec& exec) const override {
      const T *x = exec.input<T>(0), *b = exec.input<T>(1);
      T* y = exec.output<T>(0);
      for (std::int64_t o = 0; o < view_.outer; ++o) {
        for (std::int64_t r = 0; r < view_.reduced; ++r) {
          const std::int64_t at = (o * view_.reduced + r) * view_.inner;
#pragma GCC ivdep
          for (std::int64_t i = 0; i < view_.inner; ++i) {
            y[at + i] = Function::of(x[at + i], b[o * view_.inner + i]);
          }
        }
      }
    }
    ops::AxisView view_;
  };
};

template <class T>
class Scale final : public LoopKernel<T> {
 public:
  explicit Scale(const Op& op)
      : scale_(ops::Scale::from(op.attributes)), elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* x = exec.input<T>(0);
    T* y = exec.output<T>(0);
    const T factor = static_cast<T>(scale_.factor), offset = static_cast<T>(scale_.offset);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < elements_; ++i) {
      y[i] = offset == 0 ? factor * x[i] : math::fma(factor, x[i], offset);
    }
  }
  ops::Scale scale_;
  std::int64_t elements_;
};

template <class T>
class AddBackward final : public LoopKernel<T> {
 public:
  explicit AddBackward(const Op& op)
      : view_(ops::AxisView::broadcast("broadcast_add", op.in(0), op.out(0))) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad_y = exec.input<T>(0);
    axis_sums(
        view_, [=](std::int64_t i) { return grad_y[i]; }, exec.output<T>(0));
  }
  ops::AxisView view_;
};

template <class T>
class MultiplyBackward final : public LoopKernel<T> {
 public:
  explicit MultiplyBackward(const Op& op)
      : view_(ops::AxisView::broadcast("broadcast_multiply", op.in(0), op.out(0))) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *grad_y = exec.input<T>(0), *x = exec.input<T>(1);
    axis_sums(
        view_, [=](std::int64_t i) { return grad_y[i] * x[i]; }, exec.output<T>(0));
  }
  ops::AxisView view_;
};

}  // namespace

std::span<const Entry> arithmetic_kernels() {
  static const Entry entries[] = {entry<Binary<Times>::Forward>(ops::Multiply::kForward),
                                  entry<Binary<Minus>::Forward>(ops::Subtract::kForward),
                                  entry<Scale>(ops::Scale::kForward),
                                  entry<Binary<Plus>::Repeated>(ops::Broadcast::kAdd),
                                  entry<AddBackward>(ops::Broadcast::kAddBackward),
                                  entry<Binary<Times>::Repeated>(ops::Broadcast::kMultiply),
                                  entry<MultiplyBackward>(ops::Broadcast::kMultiplyBackward)};
  return entries;
}

}  // namespace soma::reference
