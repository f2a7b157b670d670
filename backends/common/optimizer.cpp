#include "soma/sdk/ops/optimizer.hpp"

#include "kernel_base.hpp"
#include "lanes.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGrain = 8192;  // 32 KiB of each operand

class SgdKernel final : public CanonicalKernel {
 public:
  SgdKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), n_(op.out(0).elements()), sgd_(ops::Sgd::from(op.attributes)) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* weight = exec.input<float>(0);
    const auto* grad = exec.input<float>(1);
    const bool has_momentum = sgd_.momentum != 0;
    const float* velocity = has_momentum ? exec.input<float>(3) : nullptr;
    auto* new_weight = exec.output<float>(0);
    float* new_velocity = has_momentum ? exec.output<float>(1) : nullptr;
    const Lanes minus_rate(-exec.input<float>(2)[0]);
    const Lanes momentum(sgd_.momentum), decay(sgd_.weight_decay);
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for_lanes(begin, end, [&](std::int64_t i, auto place) {
        const Lanes w = place.load(weight + i);
        Lanes d = place.load(grad + i);
        if (sgd_.weight_decay != 0) d = fma(decay, w, d);
        if (has_momentum) {
          const Lanes v = fma(momentum, place.load(velocity + i), d);
          place.store(v, new_velocity + i);
          d = sgd_.nesterov ? fma(momentum, v, d) : v;
        }
        place.store(fma(minus_rate, d, w), new_weight + i);
      });
    });
  }

  std::int64_t n_;
  ops::Sgd sgd_;
};

class AdamKernel final : public CanonicalKernel {
 public:
  AdamKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        n_(op.out(0).elements()),
        adam_(ops::Adam::from(op.attributes)) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* weight = exec.input<float>(0);
    const auto* grad = exec.input<float>(1);
    const auto* scalars = exec.input<float>(2);
    const auto* old_m = exec.input<float>(3);
    const auto* old_v = exec.input<float>(4);
    auto* new_weight = exec.output<float>(0);
    auto* new_m = exec.output<float>(1);
    auto* new_v = exec.output<float>(2);
    const Lanes rate(scalars[0]), v_scale(scalars[1]);
    const Lanes beta1(adam_.beta1), rest1(1 - adam_.beta1), beta2(adam_.beta2),
        rest2(1 - adam_.beta2), epsilon(adam_.epsilon), decay(adam_.weight_decay);
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for_lanes(begin, end, [&](std::int64_t i, auto place) {
        const Lanes w = place.load(weight + i);
        Lanes g = place.load(grad + i);
        if (adam_.weight_decay != 0) g = fma(decay, w, g);
        const Lanes m = fma(beta1, place.load(old_m + i), rest1 * g);
        const Lanes v = fma(beta2, place.load(old_v + i), rest2 * (g * g));
        place.store(m, new_m + i);
        place.store(v, new_v + i);
        place.store(w - (rate * m) / (sqrt(v * v_scale) + epsilon), new_weight + i);
      });
    });
  }

  std::int64_t n_;
  ops::Adam adam_;
};

KernelPtr make_sgd(const Op& op, const Parallel& parallel) {
  return std::make_unique<SgdKernel>(op, parallel);
}

KernelPtr make_adam(const Op& op, const Parallel& parallel) {
  return std::make_unique<AdamKernel>(op, parallel);
}

}  // namespace

std::span<const Entry> optimizer_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Sgd::kStep, &make_sgd},
      {ops::Adam::kStep, &make_adam},
  };
  return kEntries;
}

}  // namespace soma::common
