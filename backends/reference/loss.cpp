#include "soma/sdk/ops/loss.hpp"

#include "kernels.hpp"
#include "softmax.hpp"

namespace soma::reference {
namespace {

// Letters as in the header: N items, C classes.

/// Throws ShapeError at the first target outside [0, C).
void check_targets(const std::int32_t* targets, std::int64_t N, std::int64_t C) {
  for (std::int64_t n = 0; n < N; ++n) {
    if (targets[n] < 0 || targets[n] >= C) {
      throw ShapeError("softmax_cross_entropy: target " + std::to_string(targets[n]) + " of item " +
                       std::to_string(n) + " is outside [0," + std::to_string(C) + ")");
    }
  }
}

template <class T>
class SoftmaxCrossEntropyForward final : public LoopKernel<T> {
 public:
  explicit SoftmaxCrossEntropyForward(const Op& op) : n_(op.in(0)[0]), c_(op.in(0)[1]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* logits = exec.input<T>(0);
    const std::int32_t* targets = exec.input<std::int32_t>(1);
    T *loss = exec.output<T>(0), *items = exec.output<T>(1), *probabilities = exec.output<T>(2);
    check_targets(targets, n_, c_);
    for (std::int64_t n = 0; n < n_; ++n) {
      const T* row = logits + n * c_;
      const auto [max, sum] = softmax_row(row, c_, probabilities + n * c_);
      items[n] = math::log(sum) - (row[targets[n]] - max);
    }
    const T total = canonical_sum<T>(n_, [&](std::int64_t n) { return items[n]; });
    *loss = n_ == 0 ? T(0) : total / static_cast<T>(n_);
  }
  std::int64_t n_, c_;
};

template <class T>
class SoftmaxCrossEntropyBackward final : public LoopKernel<T> {
 public:
  explicit SoftmaxCrossEntropyBackward(const Op& op) : n_(op.in(0)[0]), c_(op.in(0)[1]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* probabilities = exec.input<T>(0);
    const std::int32_t* targets = exec.input<std::int32_t>(1);
    T* grad_logits = exec.output<T>(0);
    check_targets(targets, n_, c_);
    const T scale = *exec.input<T>(2) / static_cast<T>(n_);
    for (std::int64_t n = 0; n < n_; ++n) {
      for (std::int64_t c = 0; c < c_; ++c) {
        const T onehot = c == targets[n] ? T(1) : T(0);
        grad_logits[n * c_ + c] = (probabilities[n * c_ + c] - onehot) * scale;
      }
    }
  }
  std::int64_t n_, c_;
};

template <class T>
class MeanSquaredErrorForward final : public LoopKernel<T> {
 public:
  explicit MeanSquaredErrorForward(const Op& op) : elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *prediction = exec.input<T>(0), *target = exec.input<T>(1);
    const T total = canonical_sum<T>(elements_, [&](std::int64_t i) {
      const T d = prediction[i] - target[i];
      return d * d;
    });
    *exec.output<T>(0) = elements_ == 0 ? T(0) : total / static_cast<T>(elements_);
  }
  std::int64_t elements_;
};

template <class T>
class MeanSquaredErrorBackward final : public LoopKernel<T> {
 public:
  explicit MeanSquaredErrorBackward(const Op& op) : elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *prediction = exec.input<T>(0), *target = exec.input<T>(1);
    T* grad_prediction = exec.output<T>(0);
    const T scale = (T(2) / static_cast<T>(elements_)) * *exec.input<T>(2);
    for (std::int64_t i = 0; i < elements_; ++i) {
      grad_prediction[i] = (prediction[i] - target[i]) * scale;
    }
  }
  std::int64_t elements_;
};

}  // namespace

std::span<const Entry> loss_kernels() {
  static const Entry entries[] = {
      entry<SoftmaxCrossEntropyForward>(ops::SoftmaxCrossEntropy::kForward),
      entry<SoftmaxCrossEntropyBackward>(ops::SoftmaxCrossEntropy::kBackward),
      entry<MeanSquaredErrorForward>(ops::MeanSquaredError::kForward),
      entry<MeanSquaredErrorBackward>(ops::MeanSquaredError::kBackward)};
  return entries;
}

}  // namespace soma::reference
