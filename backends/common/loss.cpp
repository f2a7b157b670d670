#include "soma/sdk/ops/loss.hpp"

#include <string>

#include "kernel_base.hpp"
#include "reductions.hpp"
#include "softmax.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma::common {
namespace {

using Lanes = math::F32x8;

void check_targets(const std::int32_t* targets, std::int64_t items, std::int64_t classes) {
  for (std::int64_t i = 0; i < items; ++i) {
    if (targets[i] < 0 || targets[i] >= classes) {
      throw ShapeError("softmax_cross_entropy: target " + std::to_string(targets[i]) + " of item " +
                       std::to_string(i) + " is outside [0," + std::to_string(classes) + ")");
    }
  }
}

class CrossEntropyForward final : public CanonicalKernel {
 public:
  CrossEntropyForward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), items_(op.in(0)[0]), classes_(op.in(0)[1]) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* logits = exec.input<float>(0);
    const auto* targets = exec.input<std::int32_t>(1);
    auto* loss = exec.output<float>(0);
    auto* item_losses = exec.output<float>(1);
    auto* probabilities = exec.output<float>(2);
    check_targets(targets, items_, classes_);
    parallel().run(
        exec.threads(), items_, softmax_grain(classes_), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const float* x = logits + i * classes_;
            const float of_target = x[targets[i]];
            float sum;
            const float most = softmax_row(x, probabilities + i * classes_, classes_, &sum);
            item_losses[i] = log(math::F32(sum)).v - (of_target - most);
          }
        });
    loss[0] = items_ == 0 ? 0.0f : canonical_sum(item_losses, items_) / static_cast<float>(items_);
  }

  std::int64_t items_, classes_;
};

class CrossEntropyBackward final : public CanonicalKernel {
 public:
  CrossEntropyBackward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), items_(op.in(0)[0]), classes_(op.in(0)[1]) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* probabilities = exec.input<float>(0);
    const auto* targets = exec.input<std::int32_t>(1);
    auto* grad = exec.output<float>(0);
    check_targets(targets, items_, classes_);
    if (items_ == 0) return;
    const float scale = exec.input<float>(2)[0] / static_cast<float>(items_);
    const std::int64_t grain = 8 * softmax_grain(classes_);  // no exponentials here
    parallel().run(exec.threads(), items_, grain, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t first = begin * classes_;
      math::transform_as<Lanes>(probabilities + first, grad + first, end * classes_ - first,
                                [scale](Lanes p) { return p * Lanes(scale); });
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t at = i * classes_ + targets[i];
        grad[at] = (probabilities[at] - 1.0f) * scale;
      }
    });
  }

  std::int64_t items_, classes_;
};

class SquaredErrorForward final : public CanonicalKernel {
 public:
  SquaredErrorForward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        n_(op.in(0).elements()),
        blocks_((n_ + kSumBlock - 1) / kSumBlock) {
    info_.workspace_bytes = static_cast<std::size_t>(blocks_) * sizeof(float);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* prediction = exec.input<float>(0);
    const auto* target = exec.input<float>(1);
    auto* sums = exec.workspace<float>();
    constexpr std::int64_t kGrain = 4;  // 128 KiB of operands
    parallel().run(exec.threads(), blocks_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t at = i * kSumBlock;
        sums[i] =
            canonical_squared_distance(prediction + at, target + at, std::min(kSumBlock, n_ - at));
      }
    });
    float total = 0;
    for (std::int64_t i = 0; i < blocks_; ++i) total += sums[i];
    exec.output<float>(0)[0] = n_ == 0 ? 0.0f : total / static_cast<float>(n_);
  }

  std::int64_t n_, blocks_;
};

class SquaredErrorBackward final : public CanonicalKernel {
 public:
  SquaredErrorBackward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), n_(op.in(0).elements()) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    if (n_ == 0) return;
    const auto* prediction = exec.input<float>(0);
    const auto* target = exec.input<float>(1);
    auto* grad = exec.output<float>(0);
    const Lanes scale(2.0f / static_cast<float>(n_) * exec.input<float>(2)[0]);
    constexpr std::int64_t kGrain = 16384;  // 192 KiB in and out
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t i, std::int64_t end) {
      math::transform_as<Lanes>(prediction + i, target + i, grad + i, end - i,
                                [scale](Lanes p, Lanes t) { return (p - t) * scale; });
    });
  }

  std::int64_t n_;
};

KernelPtr make_cross_entropy(const Op& op, const Parallel& parallel) {
  if (op.id == ops::SoftmaxCrossEntropy::kForward) {
    return std::make_unique<CrossEntropyForward>(op, parallel);
  }
  return std::make_unique<CrossEntropyBackward>(op, parallel);
}

KernelPtr make_mean_squared_error(const Op& op, const Parallel& parallel) {
  if (op.id == ops::MeanSquaredError::kForward) {
    return std::make_unique<SquaredErrorForward>(op, parallel);
  }
  return std::make_unique<SquaredErrorBackward>(op, parallel);
}

}  // namespace

std::span<const Entry> loss_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::SoftmaxCrossEntropy::kForward, &make_cross_entropy},
      {ops::SoftmaxCrossEntropy::kBackward, &make_cross_entropy},
      {ops::MeanSquaredError::kForward, &make_mean_squared_error},
      {ops::MeanSquaredError::kBackward, &make_mean_squared_error},
  };
  return kEntries;
}

}  // namespace soma::common
