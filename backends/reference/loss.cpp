#include "soma/sdk/ops/loss.hpp"

#include <cmath>

#include "constants.hpp"
#include "kernels.hpp"
#include "softmax.hpp"

namespace soma::reference {
namespace {

// Letters as in the header: N items, C classes.

/// What forward and backward of the cross-entropy share.
class CrossEntropy {
 public:
  CrossEntropy(const Op& op, bool forward)
      : op_(ops::SoftmaxCrossEntropy::from(op.attributes)),
        items(op.in(1).elements()),
        classes(op.in(0).back()),
        weights_input_(ops::SoftmaxCrossEntropy::weights_input(forward)) {}

  template <class T>
  const T* weights(const sdk::Exec& exec) const {
    return op_.class_weights ? exec.input<T>(weights_input_) : nullptr;
  }
  bool counts(std::int32_t target) const { return op_.ignore_index != target; }
  bool mean() const { return op_.reduction == ops::Reduction::mean; }
  bool smooths() const { return op_.label_smoothing != 0; }
  template <class T>
  T keep() const {
    return constant<T>(1 - op_.label_smoothing);
  }
  template <class T>
  T share() const {
    return constant<T>(op_.label_smoothing / static_cast<double>(classes));
  }

  /// Throws ShapeError at the first target that counts and is outside [0, C).
  void check_targets(const std::int32_t* targets) const {
    for (std::int64_t n = 0; n < items; ++n) {
      if (counts(targets[n]) && (targets[n] < 0 || targets[n] >= classes)) {
        throw ShapeError("softmax_cross_entropy: target " + std::to_string(targets[n]) +
                         " of item " + std::to_string(n) + " is outside [0," +
                         std::to_string(classes) + ")");
      }
    }
  }
  /// D of the header.
  template <class T>
  T divisor(const std::int32_t* targets, const T* w) const {
    if (w != nullptr) {
      return canonical_sum<T>(
          items, [&](std::int64_t n) { return counts(targets[n]) ? w[targets[n]] : T(0); });
    }
    std::int64_t counted = 0;
    for (std::int64_t n = 0; n < items; ++n) counted += counts(targets[n]) ? 1 : 0;
    return static_cast<T>(counted);
  }

 private:
  ops::SoftmaxCrossEntropy op_;

 public:
  std::int64_t items, classes;

 private:
  int weights_input_;
};

template <class T>
class SoftmaxCrossEntropyForward final : public LoopKernel<T> {
 public:
  explicit SoftmaxCrossEntropyForward(const Op& op) : op_(op, true) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* logits = exec.input<T>(0);
    const std::int32_t* targets = exec.input<std::int32_t>(1);
    const T* w = op_.weights<T>(exec);
    T *loss = exec.output<T>(0), *items = exec.output<T>(1), *probabilities = exec.output<T>(2);
    op_.check_targets(targets);
    const std::int64_t C = op_.classes;
    for (std::int64_t n = 0; n < op_.items; ++n) {
      if (C == 0) {
        items[n] = 0;
        continue;
      }
      const T* row = logits + n * C;
      const auto [max, sum] = softmax_row(row, C, probabilities + n * C);
      items[n] = op_.counts(targets[n]) ? item(row, max, math::log(sum), targets[n], w) : T(0);
    }
    const T total = canonical_sum<T>(op_.items, [&](std::int64_t n) { return items[n]; });
    if (!op_.mean()) {
      *loss = total;
      return;
    }
    const T divisor = op_.divisor(targets, w);
    *loss = divisor == 0 ? T(0) : total / divisor;
  }
  T item(const T* row, T max, T z, std::int32_t y, const T* w) const {
    const auto nll = [&](std::int64_t c) { return z - (row[c] - max); };
    const T of_target = w == nullptr ? nll(y) : w[y] * nll(y);
    if (!op_.smooths()) return of_target;
    const T of_all = canonical_sum<T>(
        op_.classes, [&](std::int64_t c) { return w == nullptr ? nll(c) : nll(c) * w[c]; });
    return op_.template keep<T>() * of_target + op_.template share<T>() * of_all;
  }
  CrossEntropy op_;
};

template <class T>
class SoftmaxCrossEntropyBackward final : public LoopKernel<T> {
 public:
  explicit SoftmaxCrossEntropyBackward(const Op& op) : op_(op, false) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* probabilities = exec.input<T>(0);
    const std::int32_t* targets = exec.input<std::int32_t>(1);
    const T* w = op_.weights<T>(exec);
    T* grad_logits = exec.output<T>(0);
    op_.check_targets(targets);
    const std::int64_t C = op_.classes;
    T scale = *exec.input<T>(2);
    bool counted = true;
    if (op_.mean()) {
      const T divisor = op_.divisor(targets, w);
      counted = divisor != 0;
      scale /= divisor;
    }
    const T all = w == nullptr ? static_cast<T>(C)
                               : canonical_sum<T>(C, [&](std::int64_t c) { return w[c]; });
    for (std::int64_t n = 0; n < op_.items; ++n) {
      T* grad = grad_logits + n * C;
      if (counted && op_.counts(targets[n])) {
        item(probabilities + n * C, targets[n], scale, w, all, grad);
      } else {
        std::fill_n(grad, C, T(0));
      }
    }
  }
  void item(const T* p, std::int32_t y, T scale, const T* w, T all, T* grad) const {
    const std::int64_t C = op_.classes;
    if (!op_.smooths()) {
      const T of_item = w == nullptr ? scale : w[y] * scale;
      for (std::int64_t c = 0; c < C; ++c) grad[c] = (p[c] - (c == y ? T(1) : T(0))) * of_item;
      return;
    }
    const T share = op_.template share<T>(), keep = op_.template keep<T>();
    const T hot = w == nullptr ? keep : keep * w[y];
    const T factor = hot + share * all;
    for (std::int64_t c = 0; c < C; ++c) {
      T q = w == nullptr ? share : share * w[c];
      if (c == y) q += hot;
      grad[c] = (factor * p[c] - q) * scale;
    }
  }
  CrossEntropy op_;
};

/// Letters as in the header: a row of the prediction is a, of the target b.
template <class T>
struct CosineRow {
  T ab, aa, bb, na, nb;
  CosineRow(const T* a, const T* b, std::int64_t C, T epsilon)
      : ab(canonical_sum<T>(C, [&](std::int64_t c) { return a[c] * b[c]; })),
        aa(canonical_sum<T>(C, [&](std::int64_t c) { return a[c] * a[c]; })),
        bb(canonical_sum<T>(C, [&](std::int64_t c) { return b[c] * b[c]; })),
        na(at_least(std::sqrt(aa), epsilon)),
        nb(at_least(std::sqrt(bb), epsilon)) {}
  static T at_least(T x, T epsilon) { return x < epsilon ? epsilon : x; }
};

template <class T>
class CosineForward final : public LoopKernel<T> {
 public:
  explicit CosineForward(const Op& op)
      : op_(ops::Cosine::from(op.attributes)), n_(op.in(0)[0]), c_(op.in(0)[1]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *prediction = exec.input<T>(0), *target = exec.input<T>(1);
    T *loss = exec.output<T>(0), *items = exec.output<T>(1);
    for (std::int64_t n = 0; n < n_; ++n) {
      const CosineRow<T> row(prediction + n * c_, target + n * c_, c_, constant<T>(op_.epsilon));
      items[n] = T(1) - row.ab / (row.na * row.nb);
    }
    const T total = canonical_sum<T>(n_, [&](std::int64_t n) { return items[n]; });
    const bool mean = op_.reduction == ops::Reduction::mean;
    *loss = n_ == 0 ? T(0) : mean ? total / static_cast<T>(n_) : total;
  }
  ops::Cosine op_;
  std::int64_t n_, c_;
};

template <class T>
class CosineBackward final : public LoopKernel<T> {
 public:
  explicit CosineBackward(const Op& op)
      : op_(ops::Cosine::from(op.attributes)), n_(op.in(0)[0]), c_(op.in(0)[1]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *prediction = exec.input<T>(0), *target = exec.input<T>(1);
    T* grad_prediction = exec.output<T>(0);
    const T epsilon = constant<T>(op_.epsilon), grad_loss = *exec.input<T>(2);
    const bool mean = op_.reduction == ops::Reduction::mean;
    const T scale = mean ? grad_loss / static_cast<T>(n_) : grad_loss;
    for (std::int64_t n = 0; n < n_; ++n) {
      const T *a = prediction + n * c_, *b = target + n * c_;
      const CosineRow<T> row(a, b, c_, epsilon);
      const T u = T(1) / (row.na * row.nb);
      const T k = std::sqrt(row.aa) > epsilon ? (row.ab * u) / row.aa : T(0);
      for (std::int64_t c = 0; c < c_; ++c) {
        grad_prediction[n * c_ + c] = (k * a[c] - u * b[c]) * scale;
      }
    }
  }
  ops::Cosine op_;
  std::int64_t n_, c_;
};

}  // namespace

std::span<const Entry> loss_kernels() {
  static const Entry entries[] = {
      entry<SoftmaxCrossEntropyForward>(ops::SoftmaxCrossEntropy::kForward),
      entry<SoftmaxCrossEntropyBackward>(ops::SoftmaxCrossEntropy::kBackward),
      entry<CosineForward>(ops::Cosine::kForward), entry<CosineBackward>(ops::Cosine::kBackward)};
  return entries;
}

}  // namespace soma::reference
