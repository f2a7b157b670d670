#include "soma/sdk/ops/optimizer.hpp"

#include "kernel_base.hpp"
#include "soma/sdk/math/lanes.hpp"

namespace soma::common {
namespace {

using Lanes = math::F32x8;
constexpr std::int64_t kGrain = 8192;  // 32 KiB of each operand

// Runs step(i, left) for eight elements at a time, left >= 1 of them real, over [begin, end).
template <class Step>
void for_lanes(std::int64_t begin, std::int64_t end, Step step) {
  for (std::int64_t i = begin; i < end; i += Lanes::kLanes) step(i, end - i);
}
Lanes load(const float* p, std::int64_t left) {
  return left >= Lanes::kLanes ? Lanes::load(p) : Lanes::load_partial(p, left);
}
void store(Lanes v, float* p, std::int64_t left) {
  left >= Lanes::kLanes ? v.store(p) : v.store_partial(p, left);
}

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
      for_lanes(begin, end, [&](std::int64_t i, std::int64_t left) {
        const Lanes w = load(weight + i, left);
        Lanes d = load(grad + i, left);
        if (sgd_.weight_decay != 0) d = fma(decay, w, d);
        if (has_momentum) {
          const Lanes v = fma(momentum, load(velocity + i, left), d);
          store(v, new_velocity + i, left);
          d = sgd_.nesterov ? fma(momentum, v, d) : v;
        }
        store(fma(minus_rate, d, w), new_weight + i, left);
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
      for_lanes(begin, end, [&](std::int64_t i, std::int64_t left) {
        const Lanes w = load(weight + i, left);
        Lanes g = load(grad + i, left);
        if (adam_.weight_decay != 0) g = fma(decay, w, g);
        const Lanes m = fma(beta1, load(old_m + i, left), rest1 * g);
        const Lanes v = fma(beta2, load(old_v + i, left), rest2 * (g * g));
        store(m, new_m + i, left);
        store(v, new_v + i, left);
        store(w - (rate * m) / (sqrt(v * v_scale) + epsilon), new_weight + i, left);
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
