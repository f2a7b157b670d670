#include "soma/sdk/ops/regularization.hpp"

#include <algorithm>
#include <cmath>

#include "kernel_base.hpp"
#include "lane_sums.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGrain = 16384;  // 128 KiB in and out

/// A map over the elements: f(x) or f(x, y) of the first operands.
class ElementKernel : public CanonicalKernel {
 protected:
  ElementKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), n_(op.in(0).elements()) {}
  template <class Function>
  void transform(const sdk::Exec& exec, Function f) const {
    const auto* x = exec.input<float>(0);
    auto* y = exec.output<float>(0);
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t i, std::int64_t end) {
      math::transform_as<Lanes>(x + i, y + i, end - i, f);
    });
  }
  std::int64_t n_;
};

class PenaltyKernel final : public ElementKernel {
 public:
  PenaltyKernel(const Op& op, const Parallel& parallel)
      : ElementKernel(op, parallel), op_(ops::Penalty::from(op.attributes)) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* grad = exec.input<float>(0);
    const auto* weight = exec.input<float>(1);
    auto* to = exec.output<float>(0);
    const Lanes l1(op_.l1), l2(op_.l2);
    const bool has_l1 = op_.l1 != 0, has_l2 = op_.l2 != 0;
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t i, std::int64_t end) {
      math::transform_as<Lanes>(grad + i, weight + i, to + i, end - i, [&](Lanes g, Lanes w) {
        const Lanes sign = select(Lanes(0) < w, Lanes(1), select(w < Lanes(0), Lanes(-1), w));
        if (has_l1) g = fma(l1, sign, g);
        return has_l2 ? fma(l2, w, g) : g;
      });
    });
  }
  ops::Penalty op_;
};

class ClipGradientKernel final : public ElementKernel {
 public:
  ClipGradientKernel(const Op& op, const Parallel& parallel)
      : ElementKernel(op, parallel), limit_(ops::ClipGradient::from(op.attributes).limit) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    transform(exec, [limit = limit_](Lanes g) {
      return select(g < -limit, -limit, select(limit < g, limit, g));
    });
  }
  Lanes limit_;
};

class SquaredNormKernel final : public CanonicalKernel {
 public:
  SquaredNormKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        n_(op.in(0).elements()),
        blocks_((n_ + kSumBlock - 1) / kSumBlock) {
    info_.workspace_bytes = static_cast<std::size_t>(blocks_) * sizeof(float);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    auto* sums = exec.workspace<float>();
    constexpr std::int64_t kGrainBlocks = 4;
    parallel().run(exec.threads(), blocks_, kGrainBlocks,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       const std::int64_t at = i * kSumBlock;
                       sums[i] = canonical_dot(x + at, x + at, std::min(kSumBlock, n_ - at));
                     }
                   });
    float total = 0;
    for (std::int64_t i = 0; i < blocks_; ++i) total += sums[i];
    exec.output<float>(0)[0] = exec.input<float>(1)[0] + total;
  }
  std::int64_t n_, blocks_;
};

class ClipByNormKernel final : public ElementKernel {
 public:
  ClipByNormKernel(const Op& op, const Parallel& parallel)
      : ElementKernel(op, parallel),
        limit_(static_cast<float>(ops::ClipByNorm::from(op.attributes).max_norm)) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const float norm = std::sqrt(exec.input<float>(1)[0]);
    if (limit_ < norm) {
      const Lanes factor(limit_ / norm);
      transform(exec, [factor](Lanes g) { return g * factor; });
    } else if (exec.input<float>(0) != exec.output<float>(0)) {
      transform(exec, [](Lanes g) { return g; });
    }
  }
  float limit_;
};

class MaxNormKernel final : public CanonicalKernel {
 public:
  MaxNormKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        units_(op.in(0)[0]),
        length_(op.in(0).elements_from(1)),
        limit_(static_cast<float>(ops::MaxNorm::from(op.attributes).limit)) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* weight = exec.input<float>(0);
    auto* to = exec.output<float>(0);
    const std::int64_t grain =
        std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, length_));
    parallel().run(exec.threads(), units_, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const float* unit = weight + k * length_;
        const float norm = std::sqrt(canonical_dot(unit, unit, length_));
        if (limit_ < norm) {
          const Lanes factor(limit_ / norm);
          math::transform_as<Lanes>(unit, to + k * length_, length_,
                                    [factor](Lanes w) { return w * factor; });
        } else if (weight != to) {
          std::copy_n(unit, length_, to + k * length_);
        }
      }
    });
  }
  std::int64_t units_, length_;
  float limit_;
};

template <class Kernel>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<Kernel>(op, parallel);
}

}  // namespace

std::span<const Entry> regularization_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Penalty::kForward, &make<PenaltyKernel>},
      {ops::ClipGradient::kForward, &make<ClipGradientKernel>},
      {ops::SquaredNorm::kForward, &make<SquaredNormKernel>},
      {ops::ClipByNorm::kForward, &make<ClipByNormKernel>},
      {ops::MaxNorm::kForward, &make<MaxNormKernel>},
  };
  return kEntries;
}

}  // namespace soma::common
