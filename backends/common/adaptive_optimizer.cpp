#include "soma/sdk/ops/adaptive_optimizer.hpp"

#include <algorithm>

#include "kernel_base.hpp"
#include "lane_sums.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGrain = 8192;  // 32 KiB of each operand
constexpr int kMostScalars = 3;

// An optimizer's step takes some weights, their gradients, the scalars and their state to the new
// weights, with the state updated; kStates is the most tensors of state that it keeps.

/// weight_decay added to the gradient.
struct Decay {
  explicit Decay(double weight_decay) : on(weight_decay != 0), rate(weight_decay) {}
  Lanes operator()(Lanes w, Lanes grad) const { return on ? fma(rate, w, grad) : grad; }
  bool on;
  Lanes rate;
};

/// A running mean: old * beta + (1 - beta) * x.
struct Mean {
  explicit Mean(double beta) : keep(beta), take(1 - beta) {}
  Lanes operator()(Lanes old, Lanes x) const { return fma(keep, old, take * x); }
  Lanes keep, take;
};

struct Adagrad {
  using Family = ops::Adagrad;
  static constexpr int kStates = 1;
  explicit Adagrad(const Family& o) : decay(o.weight_decay), epsilon(o.epsilon) {}
  Lanes step(Lanes w, Lanes grad, const Lanes* scalars, Lanes* state) const {
    const Lanes g = decay(w, grad);
    state[0] = fma(g, g, state[0]);
    return w - (scalars[0] * g) / (sqrt(state[0]) + epsilon);
  }
  Decay decay;
  Lanes epsilon;
};

struct Rmsprop {
  using Family = ops::Rmsprop;
  static constexpr int kStates = 3;
  explicit Rmsprop(const Family& o)
      : decay(o.weight_decay),
        mean(o.alpha),
        epsilon(o.epsilon),
        momentum(o.momentum),
        centered(o.centered),
        has_momentum(o.momentum != 0) {}
  Lanes step(Lanes w, Lanes grad, const Lanes* scalars, Lanes* state) const {
    const Lanes g = decay(w, grad);
    const Lanes v = mean(state[0], g * g);
    state[0] = v;
    Lanes s = v;
    if (centered) {
      const Lanes m = mean(state[1], g);
      state[1] = m;
      s = fma(-m, m, v);
      s = select(s < Lanes(0), Lanes(0), s);
    }
    Lanes d = g / (sqrt(s) + epsilon);
    if (has_momentum) {
      Lanes& velocity = state[centered ? 2 : 1];
      d = velocity = fma(momentum, velocity, d);
    }
    return fma(-scalars[0], d, w);
  }
  Decay decay;
  Mean mean;
  Lanes epsilon, momentum;
  bool centered, has_momentum;
};

struct Adadelta {
  using Family = ops::Adadelta;
  static constexpr int kStates = 2;
  explicit Adadelta(const Family& o) : decay(o.weight_decay), mean(o.rho), epsilon(o.epsilon) {}
  Lanes step(Lanes w, Lanes grad, const Lanes* scalars, Lanes* state) const {
    const Lanes g = decay(w, grad);
    state[0] = mean(state[0], g * g);
    const Lanes d = (sqrt(state[1] + epsilon) / sqrt(state[0] + epsilon)) * g;
    state[1] = mean(state[1], d * d);
    return fma(-scalars[0], d, w);
  }
  Decay decay;
  Mean mean;
  Lanes epsilon;
};

struct AdamW {
  using Family = ops::AdamW;
  static constexpr int kStates = 2;
  explicit AdamW(const Family& o) : first(o.beta1), second(o.beta2), epsilon(o.epsilon) {}
  Lanes step(Lanes w, Lanes g, const Lanes* scalars, Lanes* state) const {
    state[0] = first(state[0], g);
    state[1] = second(state[1], g * g);
    const Lanes decayed = fma(-scalars[2], w, w);
    return decayed - (scalars[0] * state[0]) / (sqrt(state[1] * scalars[1]) + epsilon);
  }
  Mean first, second;
  Lanes epsilon;
};

struct Nadam {
  using Family = ops::Nadam;
  static constexpr int kStates = 2;
  explicit Nadam(const Family& o)
      : decay(o.weight_decay), first(o.beta1), second(o.beta2), epsilon(o.epsilon) {}
  Lanes step(Lanes w, Lanes grad, const Lanes* scalars, Lanes* state) const {
    const Lanes g = decay(w, grad);
    state[0] = first(state[0], g);
    state[1] = second(state[1], g * g);
    return w - fma(scalars[0], g, scalars[1] * state[0]) / (sqrt(state[1] * scalars[2]) + epsilon);
  }
  Decay decay;
  Mean first, second;
  Lanes epsilon;
};

struct Lion {
  using Family = ops::Lion;
  static constexpr int kStates = 1;
  explicit Lion(const Family& o) : direction(o.beta1), memory(o.beta2) {}
  Lanes step(Lanes w, Lanes g, const Lanes* scalars, Lanes* state) const {
    const Lanes c = direction(state[0], g);
    state[0] = memory(state[0], g);
    const Lanes sign = select(Lanes(0) < c, Lanes(1), select(c < Lanes(0), Lanes(-1), c));
    return fma(-scalars[0], sign, fma(-scalars[1], w, w));
  }
  Mean direction, memory;
};

/// One pass over weight, gradient and state.
template <class Optimizer>
class StepKernel final : public CanonicalKernel {
 public:
  StepKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        optimizer_(Optimizer::Family::from(op.attributes)),
        n_(op.out(0).elements()),
        scalars_(static_cast<int>(op.in(2).elements())),
        states_(static_cast<int>(op.outputs.size()) - 1) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* weight = exec.input<float>(0);
    const auto* grad = exec.input<float>(1);
    auto* new_weight = exec.output<float>(0);
    Lanes scalars[kMostScalars];
    for (int s = 0; s < scalars_; ++s) scalars[s] = Lanes(exec.input<float>(2)[s]);
    const float* old_state[Optimizer::kStates] = {};
    float* new_state[Optimizer::kStates] = {};
    for (int s = 0; s < states_; ++s) {
      old_state[s] = exec.input<float>(3 + s);
      new_state[s] = exec.output<float>(1 + s);
    }
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      const Optimizer optimizer = optimizer_;  // here, so that its constants stay in registers
      Lanes state[Optimizer::kStates];
      for_lanes(begin, end, [&](std::int64_t i, auto place) {
        for (int s = 0; s < states_; ++s) state[s] = place.load(old_state[s] + i);
        const Lanes w =
            optimizer.step(place.load(weight + i), place.load(grad + i), scalars, state);
        for (int s = 0; s < states_; ++s) place.store(state[s], new_state[s] + i);
        place.store(w, new_weight + i);
      });
    });
  }

  Optimizer optimizer_;
  std::int64_t n_;
  int scalars_, states_;
};

template <class Optimizer>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<StepKernel<Optimizer>>(op, parallel);
}

}  // namespace

std::span<const Entry> adaptive_optimizer_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Adagrad::kStep, &make<Adagrad>},   {ops::Rmsprop::kStep, &make<Rmsprop>},
      {ops::Adadelta::kStep, &make<Adadelta>}, {ops::AdamW::kStep, &make<AdamW>},
      {ops::Nadam::kStep, &make<Nadam>},       {ops::Lion::kStep, &make<Lion>},
  };
  return kEntries;
}

}  // namespace soma::common
