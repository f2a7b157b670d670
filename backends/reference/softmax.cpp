#include "softmax.hpp"

#include "kernels.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma::reference {
namespace {

// Letters as in the header: N rows, C classes.

template <class T>
class SoftmaxForward final : public LoopKernel<T> {
 public:
  explicit SoftmaxForward(const Op& op) : n_(op.in(0)[0]), c_(op.in(0)[1]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    if (c_ == 0) return;
    for (std::int64_t n = 0; n < n_; ++n) {
      softmax_row(exec.input<T>(0) + n * c_, c_, exec.output<T>(0) + n * c_);
    }
  }
  std::int64_t n_, c_;
};

template <class T>
class SoftmaxBackward final : public LoopKernel<T> {
 public:
  explicit SoftmaxBackward(const Op& op) : n_(op.in(0)[0]), c_(op.in(0)[1]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    for (std::int64_t n = 0; n < n_; ++n) {
      const T* y = exec.input<T>(0) + n * c_;
      const T* grad_y = exec.input<T>(1) + n * c_;
      T* grad_x = exec.output<T>(0) + n * c_;
      const T dot = canonical_sum<T>(c_, [&](std::int64_t c) { return y[c] * grad_y[c]; });
      for (std::int64_t c = 0; c < c_; ++c) grad_x[c] = y[c] * (grad_y[c] - dot);
    }
  }
  std::int64_t n_, c_;
};

template <class T>
class LogSoftmaxForward final : public LoopKernel<T> {
 public:
  explicit LogSoftmaxForward(const Op& op) : n_(op.in(0)[0]), c_(op.in(0)[1]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    if (c_ == 0) return;
    for (std::int64_t n = 0; n < n_; ++n) {
      const T* x = exec.input<T>(0) + n * c_;
      T* y = exec.output<T>(0) + n * c_;
      const T max = canonical_max(x, c_);
      const T sum = canonical_sum<T>(c_, [&](std::int64_t c) { return math::exp(x[c] - max); });
      const T log_sum = math::log(sum);
      for (std::int64_t c = 0; c < c_; ++c) y[c] = (x[c] - max) - log_sum;
    }
  }
  std::int64_t n_, c_;
};

template <class T>
class LogSoftmaxBackward final : public LoopKernel<T> {
 public:
  explicit LogSoftmaxBackward(const Op& op) : n_(op.in(0)[0]), c_(op.in(0)[1]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    for (std::int64_t n = 0; n < n_; ++n) {
      const T* y = exec.input<T>(0) + n * c_;
      const T* grad_y = exec.input<T>(1) + n * c_;
      T* grad_x = exec.output<T>(0) + n * c_;
      const T sum = canonical_sum<T>(c_, [&](std::int64_t c) { return grad_y[c]; });
      for (std::int64_t c = 0; c < c_; ++c) grad_x[c] = grad_y[c] - math::exp(y[c]) * sum;
    }
  }
  std::int64_t n_, c_;
};

}  // namespace

std::span<const Entry> softmax_kernels() {
  static const Entry entries[] = {entry<SoftmaxForward>(ops::Softmax::kForward),
                                  entry<SoftmaxBackward>(ops::Softmax::kBackward),
                                  entry<LogSoftmaxForward>(ops::LogSoftmax::kForward),
                                  entry<LogSoftmaxBackward>(ops::LogSoftmax::kBackward)};
  return entries;
}

}  // namespace soma::reference
