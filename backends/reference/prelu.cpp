#include "soma/sdk/ops/prelu.hpp"

#include "kernels.hpp"
#include "reductions.hpp"

namespace soma::reference {
namespace {

/// Element i of x has the slope i % period: C channels, or 1.
template <class T>
class Forward final : public LoopKernel<T> {
 public:
  explicit Forward(const Op& op) : elements_(op.in(0).elements()), period_(op.in(1)[0]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *x = exec.input<T>(0), *slope = exec.input<T>(1);
    T* y = exec.output<T>(0);
    for (std::int64_t i = 0; i < elements_; ++i) {
      y[i] = x[i] < 0 ? slope[i % period_] * x[i] : x[i];
    }
  }
  std::int64_t elements_, period_;
};

template <class T>
class Backward final : public LoopKernel<T> {
 public:
  explicit Backward(const Op& op) : elements_(op.in(0).elements()), period_(op.in(1)[0]) {
    this->info_.workspace_bytes = static_cast<std::size_t>(elements_) * sizeof(T);
  }

 private:
  void run(const sdk::Exec& exec) const override {
    const T *x = exec.input<T>(0), *slope = exec.input<T>(1), *grad_y = exec.input<T>(2);
    T *grad_x = exec.output<T>(0), *grad_slope = exec.output<T>(1);
    T* terms = exec.workspace<T>();
    for (std::int64_t i = 0; i < elements_; ++i) {
      terms[i] = x[i] >= 0 ? T(0) : x[i] * grad_y[i];
      grad_x[i] = x[i] > 0 ? grad_y[i] : slope[i % period_] * grad_y[i];
    }
    if (period_ == 1) {
      grad_slope[0] = canonical_sum<T>(elements_, [&](std::int64_t i) { return terms[i]; });
    } else if (period_ > 1) {
      column_sums(terms, elements_ / period_, period_, false, grad_slope);
    }
  }
  std::int64_t elements_, period_;
};

}  // namespace

std::span<const Entry> prelu_kernels() {
  static const Entry entries[] = {entry<Forward>(ops::PRelu::kForward),
                                  entry<Backward>(ops::PRelu::kBackward)};
  return entries;
}

}  // namespace soma::reference
