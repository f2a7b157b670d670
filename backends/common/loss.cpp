#include "soma/sdk/ops/loss.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernel_base.hpp"
#include "lane_sums.hpp"
#include "softmax.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma::common {
namespace {

// Sum over i in [0, n) of term(i), one float at a time, in canonical order.
template <class Term>
float gathered_sum(std::int64_t n, Term term) {
  return lane_sum(n, [&](std::int64_t i, auto) {
    float lane[kLanes] = {};
    for (std::int64_t j = 0; j < std::min(kLanes, n - i); ++j) lane[j] = term(i + j);
    return Lanes::load(lane);
  });
}

/// What forward and backward of the cross-entropy share; names as in the header.
class CrossEntropy : public CanonicalKernel {
 protected:
  CrossEntropy(const Op& op, const Parallel& parallel, bool forward)
      : CanonicalKernel(parallel),
        op_(ops::SoftmaxCrossEntropy::from(op.attributes)),
        items_(op.in(1).elements()),
        classes_(op.in(0).back()),
        keep_(static_cast<float>(1 - op_.label_smoothing)),
        share_(static_cast<float>(op_.label_smoothing / static_cast<double>(classes_))),
        weights_input_(ops::SoftmaxCrossEntropy::weights_input(forward)) {}

  const float* weights(const sdk::Exec& exec) const {
    return op_.class_weights ? exec.input<float>(weights_input_) : nullptr;
  }
  bool counts(std::int32_t target) const { return op_.ignore_index != target; }
  bool mean() const { return op_.reduction == ops::Reduction::mean; }
  bool smooths() const { return op_.label_smoothing != 0; }

  void check_targets(const std::int32_t* targets) const {
    for (std::int64_t i = 0; i < items_; ++i) {
      if ((targets[i] < 0 || targets[i] >= classes_) && counts(targets[i])) {
        throw ShapeError("softmax_cross_entropy: target " + std::to_string(targets[i]) +
                         " of item " + std::to_string(i) + " is outside [0," +
                         std::to_string(classes_) + ")");
      }
    }
  }
  float divisor(const std::int32_t* targets, const float* w) const {
    if (w != nullptr) {
      return gathered_sum(
          items_, [&](std::int64_t i) { return counts(targets[i]) ? w[targets[i]] : 0.0f; });
    }
    std::int64_t counted = items_;
    if (op_.ignore_index) {
      counted = std::count_if(targets, targets + items_, [&](auto t) { return counts(t); });
    }
    return static_cast<float>(counted);
  }

  ops::SoftmaxCrossEntropy op_;
  std::int64_t items_, classes_;
  float keep_, share_;

 private:
  int weights_input_;
};

class CrossEntropyForward final : public CrossEntropy {
 public:
  CrossEntropyForward(const Op& op, const Parallel& parallel) : CrossEntropy(op, parallel, true) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* logits = exec.input<float>(0);
    const auto* targets = exec.input<std::int32_t>(1);
    const float* w = weights(exec);
    auto* loss = exec.output<float>(0);
    auto* item_losses = exec.output<float>(1);
    auto* probabilities = exec.output<float>(2);
    check_targets(targets);
    if (classes_ == 0) {
      std::fill_n(item_losses, items_, 0.0f);
      loss[0] = 0;
      return;
    }
    parallel().run(
        exec.threads(), items_, softmax_grain(classes_), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const float* x = logits + i * classes_;
            float sum;
            const float most = softmax_row(x, probabilities + i * classes_, classes_, &sum);
            item_losses[i] =
                counts(targets[i]) ? item(x, most, log(math::F32(sum)).v, targets[i], w) : 0.0f;
          }
        });
    float total = canonical_sum(item_losses, items_);
    if (mean()) {
      const float d = divisor(targets, w);
      total = d == 0 ? 0.0f : total / d;
    }
    loss[0] = total;
  }
  float item(const float* x, float most, float z, std::int32_t y, const float* w) const {
    const float nll = z - (x[y] - most);
    const float of_target = w == nullptr ? nll : w[y] * nll;
    if (!smooths()) return of_target;
    const float of_all = lane_sum(classes_, [&](std::int64_t c, auto place) {
      const Lanes of_class = Lanes(z) - (place.load(x + c) - Lanes(most));
      return w == nullptr ? of_class : Lanes(of_class * place.load(w + c));
    });
    return keep_ * of_target + share_ * of_all;
  }
};

class CrossEntropyBackward final : public CrossEntropy {
 public:
  CrossEntropyBackward(const Op& op, const Parallel& parallel)
      : CrossEntropy(op, parallel, false) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* probabilities = exec.input<float>(0);
    const auto* targets = exec.input<std::int32_t>(1);
    const float* w = weights(exec);
    auto* grad = exec.output<float>(0);
    check_targets(targets);
    if (items_ == 0) return;
    float scale = exec.input<float>(2)[0];
    bool counted = true;
    if (mean()) {
      const float d = divisor(targets, w);
      counted = d != 0;
      scale /= d;
    }
    const float all = w == nullptr ? static_cast<float>(classes_) : canonical_sum(w, classes_);
    const std::int64_t grain = 8 * softmax_grain(classes_);  // no exponentials here
    parallel().run(exec.threads(), items_, grain, [&](std::int64_t begin, std::int64_t end) {
      if (counted && !smooths() && w == nullptr && !op_.ignore_index) {
        plain_items(probabilities, targets, scale, begin, end, grad);
        return;
      }
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t at = i * classes_;
        if (counted && counts(targets[i])) {
          item(probabilities + at, targets[i], scale, w, all, grad + at);
        } else {
          std::fill_n(grad + at, classes_, 0.0f);
        }
      }
    });
  }
  // All items in one stream: rows may be short.
  void plain_items(const float* probabilities, const std::int32_t* targets, float scale,
                   std::int64_t begin, std::int64_t end, float* grad) const {
    const std::int64_t first = begin * classes_;
    math::transform_as<Lanes>(probabilities + first, grad + first, end * classes_ - first,
                              [scale](Lanes p) { return p * Lanes(scale); });
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t at = i * classes_ + targets[i];
      grad[at] = (probabilities[at] - 1.0f) * scale;
    }
  }
  void item(const float* p, std::int32_t y, float scale, const float* w, float all,
            float* grad) const {
    if (!smooths()) {
      const float of_item = w == nullptr ? scale : w[y] * scale;
      math::transform_as<Lanes>(p, grad, classes_,
                                [of_item](Lanes v) { return v * Lanes(of_item); });
      grad[y] = (p[y] - 1.0f) * of_item;
      return;
    }
    const float hot = w == nullptr ? keep_ : keep_ * w[y];
    const float factor = hot + share_ * all;
    const Lanes factors(factor), scales(scale), share(share_);
    if (w == nullptr) {
      math::transform_as<Lanes>(p, grad, classes_,
                                [&](Lanes v) { return (factors * v - share) * scales; });
    } else {
      math::transform_as<Lanes>(p, w, grad, classes_, [&](Lanes v, Lanes weight) {
        return (factors * v - share * weight) * scales;
      });
    }
    const float q = (w == nullptr ? share_ : share_ * w[y]) + hot;
    grad[y] = (factor * p[y] - q) * scale;
  }
};

/// What forward and backward of the cosine loss share; a row of the prediction is a, of the target
/// b.
class Cosine : public CanonicalKernel {
 protected:
  Cosine(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        rows_(op.in(0)[0]),
        length_(op.in(0)[1]),
        epsilon_(static_cast<float>(ops::Cosine::from(op.attributes).epsilon)),
        mean_(ops::reduction_from(op.attributes) == ops::Reduction::mean),
        grain_(std::max<std::int64_t>(1, 8192 / std::max<std::int64_t>(1, length_))) {}

  struct Row {
    float ab, aa, na, nb;
  };
  Row row(const float* a, const float* b) const {
    const float aa = canonical_dot(a, a, length_), bb = canonical_dot(b, b, length_);
    return {canonical_dot(a, b, length_), aa, at_least(std::sqrt(aa)), at_least(std::sqrt(bb))};
  }
  float at_least(float x) const { return x < epsilon_ ? epsilon_ : x; }

  std::int64_t rows_, length_;
  float epsilon_;
  bool mean_;
  std::int64_t grain_;
};

class CosineForward final : public Cosine {
 public:
  CosineForward(const Op& op, const Parallel& parallel) : Cosine(op, parallel) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* prediction = exec.input<float>(0);
    const auto* target = exec.input<float>(1);
    auto* items = exec.output<float>(1);
    parallel().run(exec.threads(), rows_, grain_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const Row r = row(prediction + i * length_, target + i * length_);
        items[i] = 1.0f - r.ab / (r.na * r.nb);
      }
    });
    const float total = canonical_sum(items, rows_);
    exec.output<float>(0)[0] = rows_ == 0 ? 0.0f
                               : mean_    ? total / static_cast<float>(rows_)
                                          : total;
  }
};

class CosineBackward final : public Cosine {
 public:
  CosineBackward(const Op& op, const Parallel& parallel) : Cosine(op, parallel) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* prediction = exec.input<float>(0);
    const auto* target = exec.input<float>(1);
    auto* grad = exec.output<float>(0);
    const float grad_loss = exec.input<float>(2)[0];
    const Lanes scale(mean_ ? grad_loss / static_cast<float>(rows_) : grad_loss);
    parallel().run(exec.threads(), rows_, grain_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float *a = prediction + i * length_, *b = target + i * length_;
        const Row r = row(a, b);
        const float u = 1.0f / (r.na * r.nb);
        const Lanes k(std::sqrt(r.aa) > epsilon_ ? (r.ab * u) / r.aa : 0.0f), us(u);
        math::transform_as<Lanes>(a, b, grad + i * length_, length_,
                                  [&](Lanes x, Lanes y) { return (k * x - us * y) * scale; });
      }
    });
  }
};

template <class Forward, class Backward>
KernelPtr make(const Op& op, const Parallel& parallel) {
  if (op.direction() == "fwd") return std::make_unique<Forward>(op, parallel);
  return std::make_unique<Backward>(op, parallel);
}

}  // namespace

std::span<const Entry> loss_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::SoftmaxCrossEntropy::kForward, &make<CrossEntropyForward, CrossEntropyBackward>},
      {ops::SoftmaxCrossEntropy::kBackward, &make<CrossEntropyForward, CrossEntropyBackward>},
      {ops::Cosine::kForward, &make<CosineForward, CosineBackward>},
      {ops::Cosine::kBackward, &make<CosineForward, CosineBackward>},
  };
  return kEntries;
}

}  // namespace soma::common
