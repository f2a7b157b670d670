#include "soma/sdk/ops/elementwise_loss.hpp"

#include <algorithm>

#include "kernel_base.hpp"
#include "lane_sums.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma::common {
namespace {

// A loss says what some elements cost (item) and the slope of that, from prediction p and target
// t, what the sum is divided by (n and N of the header), and how many blocks of 4096 elements are
// worth a thread.

constexpr std::int64_t kCheapBlocks = 4, kCostlyBlocks = 1;

struct SquaredError {
  using Family = ops::MeanSquaredError;
  static constexpr std::int64_t kGrainBlocks = kCheapBlocks;
  explicit SquaredError(const Family&) {}
  static Lanes item(Lanes p, Lanes t) {
    const Lanes d = p - t;
    return d * d;
  }
  static Lanes slope(Lanes p, Lanes t) { return p - t; }
  static float divisor(std::int64_t n, std::int64_t) { return static_cast<float>(n); }
  static float mean_scale(float grad_loss, float n) { return 2.0f / n * grad_loss; }
  static float sum_scale(float grad_loss) { return 2.0f * grad_loss; }
};

/// The scale of all others.
struct PlainScale {
  static float mean_scale(float grad_loss, float divisor) { return grad_loss / divisor; }
  static float sum_scale(float grad_loss) { return grad_loss; }
  static float divisor(std::int64_t n, std::int64_t) { return static_cast<float>(n); }
};

struct AbsoluteError : PlainScale {
  using Family = ops::MeanAbsoluteError;
  static constexpr std::int64_t kGrainBlocks = kCheapBlocks;
  explicit AbsoluteError(const Family&) {}
  static Lanes item(Lanes p, Lanes t) { return abs(p - t); }
  static Lanes slope(Lanes p, Lanes t) {
    const Lanes d = p - t;
    return select(Lanes(0) < d, Lanes(1), select(d < Lanes(0), Lanes(-1), d));
  }
};

struct HuberError : PlainScale {
  using Family = ops::Huber;
  static constexpr std::int64_t kGrainBlocks = kCheapBlocks;
  explicit HuberError(const Family& op) : delta(op.delta) {}
  Lanes item(Lanes p, Lanes t) const {
    const Lanes size = abs(p - t);
    const Lanes m = select(size <= delta, size, delta);
    return m * (size - Lanes(0.5f) * m);
  }
  Lanes slope(Lanes p, Lanes t) const {
    const Lanes d = p - t;
    return select(d < -delta, -delta, select(delta < d, delta, d));
  }
  Lanes delta;
};

struct BinaryCrossEntropy : PlainScale {
  using Family = ops::BinaryCrossEntropyWithLogits;
  static constexpr std::int64_t kGrainBlocks = kCostlyBlocks;
  explicit BinaryCrossEntropy(const Family& op) : weight(op.pos_weight) {}
  Lanes item(Lanes p, Lanes t) const {
    const Lanes l = log1p(exp(-abs(p)));
    const Lanes below = select(-p < Lanes(0), Lanes(0), -p);
    const Lanes above = select(p < Lanes(0), Lanes(0), p);
    return (weight * t) * (below + l) + (Lanes(1) - t) * (above + l);
  }
  Lanes slope(Lanes p, Lanes t) const {
    const Lanes e = exp(-abs(p)), d = Lanes(1) + e;
    const Lanes large = Lanes(1) / d, small = e / d;
    const auto up = Lanes(0) <= p;
    return (Lanes(1) - t) * select(up, large, small) - (weight * t) * select(up, small, large);
  }
  Lanes weight;
};

struct Divergence : PlainScale {
  using Family = ops::KlDivergence;
  static constexpr std::int64_t kGrainBlocks = kCostlyBlocks;
  explicit Divergence(const Family&) {}
  static Lanes item(Lanes p, Lanes t) { return select(t == Lanes(0), Lanes(0), t * (log(t) - p)); }
  static Lanes slope(Lanes, Lanes t) { return -t; }
  static float divisor(std::int64_t, std::int64_t rows) { return static_cast<float>(rows); }
};

struct HingeError : PlainScale {
  using Family = ops::Hinge;
  static constexpr std::int64_t kGrainBlocks = kCheapBlocks;
  explicit HingeError(const Family& op) : squared(op.squared) {}
  Lanes item(Lanes p, Lanes t) const {
    const Lanes m = fma(-t, p, Lanes(1));
    const Lanes missing = select(m <= Lanes(0), Lanes(0), m);
    return squared ? Lanes(missing * missing) : missing;
  }
  Lanes slope(Lanes p, Lanes t) const {
    const Lanes m = fma(-t, p, Lanes(1));
    return select(Lanes(0) < m, squared ? Lanes((Lanes(-2) * m) * t) : -t, Lanes(0));
  }
  bool squared;
};

template <class Loss>
class Forward final : public CanonicalKernel {
 public:
  Forward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        loss_(Loss::Family::from(op.attributes)),
        n_(op.in(0).elements()),
        rows_(op.in(0).rank() == 0 ? 1 : op.in(0)[0]),
        blocks_((n_ + kSumBlock - 1) / kSumBlock),
        mean_(ops::reduction_from(op.attributes) == ops::Reduction::mean),
        items_(op.outputs.size() > 1) {
    info_.workspace_bytes = static_cast<std::size_t>(blocks_) * sizeof(float);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* prediction = exec.input<float>(0);
    const auto* target = exec.input<float>(1);
    float* items = items_ ? exec.output<float>(1) : nullptr;
    auto* sums = exec.workspace<float>();
    parallel().run(exec.threads(), blocks_, Loss::kGrainBlocks,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       const std::int64_t at = i * kSumBlock;
                       sums[i] = sum(prediction + at, target + at, std::min(kSumBlock, n_ - at),
                                     items == nullptr ? nullptr : items + at);
                     }
                   });
    float total = 0;
    for (std::int64_t i = 0; i < blocks_; ++i) total += sums[i];
    if (mean_) total = n_ == 0 ? 0.0f : total / Loss::divisor(n_, rows_);
    exec.output<float>(0)[0] = total;
  }
  float sum(const float* prediction, const float* target, std::int64_t n, float* items) const {
    return lane_sum(n, [&](std::int64_t i, auto place) {
      const Lanes item = loss_.item(place.load(prediction + i), place.load(target + i));
      if (items != nullptr) place.store(item, items + i);
      return item;
    });
  }

  Loss loss_;
  std::int64_t n_, rows_, blocks_;
  bool mean_, items_;
};

template <class Loss>
class Backward final : public CanonicalKernel {
 public:
  Backward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        loss_(Loss::Family::from(op.attributes)),
        n_(op.in(0).elements()),
        rows_(op.in(0).rank() == 0 ? 1 : op.in(0)[0]),
        mean_(ops::reduction_from(op.attributes) == ops::Reduction::mean) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    if (n_ == 0) return;
    const auto* prediction = exec.input<float>(0);
    const auto* target = exec.input<float>(1);
    auto* grad = exec.output<float>(0);
    const float grad_loss = exec.input<float>(2)[0];
    const Lanes scale(mean_ ? Loss::mean_scale(grad_loss, Loss::divisor(n_, rows_))
                            : Loss::sum_scale(grad_loss));
    parallel().run(
        exec.threads(), n_, Loss::kGrainBlocks * kSumBlock, [&](std::int64_t i, std::int64_t end) {
          math::transform_as<Lanes>(prediction + i, target + i, grad + i, end - i,
                                    [&](Lanes p, Lanes t) { return loss_.slope(p, t) * scale; });
        });
  }

  Loss loss_;
  std::int64_t n_, rows_;
  bool mean_;
};

template <class Loss>
KernelPtr make(const Op& op, const Parallel& parallel) {
  if (op.direction() == "fwd") return std::make_unique<Forward<Loss>>(op, parallel);
  return std::make_unique<Backward<Loss>>(op, parallel);
}

}  // namespace

std::span<const Entry> elementwise_loss_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::MeanSquaredError::kForward, &make<SquaredError>},
      {ops::MeanSquaredError::kBackward, &make<SquaredError>},
      {ops::MeanAbsoluteError::kForward, &make<AbsoluteError>},
      {ops::MeanAbsoluteError::kBackward, &make<AbsoluteError>},
      {ops::Huber::kForward, &make<HuberError>},
      {ops::Huber::kBackward, &make<HuberError>},
      {ops::BinaryCrossEntropyWithLogits::kForward, &make<BinaryCrossEntropy>},
      {ops::BinaryCrossEntropyWithLogits::kBackward, &make<BinaryCrossEntropy>},
      {ops::KlDivergence::kForward, &make<Divergence>},
      {ops::KlDivergence::kBackward, &make<Divergence>},
      {ops::Hinge::kForward, &make<HingeError>},
      {ops::Hinge::kBackward, &make<HingeError>},
  };
  return kEntries;
}

}  // namespace soma::common
