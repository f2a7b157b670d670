#include "soma/sdk/ops/adaptive_optimizer.hpp"

#include <cmath>

#include "constants.hpp"
#include "kernels.hpp"

namespace soma::reference {
namespace {

// Outputs may be the inputs of the same name; element i depends on element i alone.

template <class T>
T sign(T x) {
  return 0 < x ? T(1) : x < 0 ? T(-1) : x;
}

/// A step of optimizer O<T>: from a weight, its gradient, the scalars and the weight's state to the
/// new weight, with the state updated.
template <class T, template <class> class O>
class Step final : public LoopKernel<T> {
 public:
  explicit Step(const Op& op)
      : optimizer_(O<T>::Family::from(op.attributes)),
        elements_(op.in(0).elements()),
        states_(static_cast<int>(op.outputs.size()) - 1) {}

 private:
  void run(const sdk::Exec& exec) const override {
    constexpr int kMost = 3;
    const T *weight = exec.input<T>(0), *grad = exec.input<T>(1), *scalars = exec.input<T>(2);
    T* new_weight = exec.output<T>(0);
    const T* old_state[kMost] = {};
    T* new_state[kMost] = {};
    for (int s = 0; s < states_; ++s) {
      old_state[s] = exec.input<T>(3 + s);
      new_state[s] = exec.output<T>(1 + s);
    }
    for (std::int64_t i = 0; i < elements_; ++i) {
      T state[kMost] = {};
      for (int s = 0; s < states_; ++s) state[s] = old_state[s][i];
      new_weight[i] = optimizer_.step(weight[i], grad[i], scalars, state);
      for (int s = 0; s < states_; ++s) new_state[s][i] = state[s];
    }
  }
  O<T> optimizer_;
  std::int64_t elements_;
  int states_;
};

/// weight_decay added to the gradient.
template <class T>
struct Decay {
  explicit Decay(double weight_decay) : on(weight_decay != 0), rate(constant<T>(weight_decay)) {}
  T operator()(T w, T grad) const { return on ? std::fma(rate, w, grad) : grad; }
  bool on;
  T rate;
};

/// A running mean: old * beta + (1 - beta) * x.
template <class T>
struct Mean {
  explicit Mean(double beta) : keep(constant<T>(beta)), take(constant<T>(1 - beta)) {}
  T operator()(T old, T x) const { return std::fma(keep, old, take * x); }
  T keep, take;
};

template <class T>
struct Adagrad {
  using Family = ops::Adagrad;
  explicit Adagrad(const Family& o) : decay(o.weight_decay), epsilon(constant<T>(o.epsilon)) {}
  T step(T w, T grad, const T* scalars, T* state) const {
    const T g = decay(w, grad);
    T& sum = state[0];
    sum = std::fma(g, g, sum);
    return w - (scalars[0] * g) / (std::sqrt(sum) + epsilon);
  }
  Decay<T> decay;
  T epsilon;
};

template <class T>
struct Rmsprop {
  using Family = ops::Rmsprop;
  explicit Rmsprop(const Family& o)
      : decay(o.weight_decay),
        mean(o.alpha),
        epsilon(constant<T>(o.epsilon)),
        momentum(constant<T>(o.momentum)),
        centered(o.centered),
        has_momentum(o.momentum != 0) {}
  T step(T w, T grad, const T* scalars, T* state) const {
    const T g = decay(w, grad);
    T& v = state[0];
    v = mean(v, g * g);
    T s = v;
    if (centered) {
      T& m = state[1];
      m = mean(m, g);
      s = std::fma(-m, m, v);
      if (s < 0) s = 0;
    }
    T d = g / (std::sqrt(s) + epsilon);
    if (has_momentum) {
      T& velocity = state[centered ? 2 : 1];
      d = velocity = std::fma(momentum, velocity, d);
    }
    return std::fma(-scalars[0], d, w);
  }
  Decay<T> decay;
  Mean<T> mean;
  T epsilon, momentum;
  bool centered, has_momentum;
};

template <class T>
struct Adadelta {
  using Family = ops::Adadelta;
  explicit Adadelta(const Family& o)
      : decay(o.weight_decay), mean(o.rho), epsilon(constant<T>(o.epsilon)) {}
  T step(T w, T grad, const T* scalars, T* state) const {
    const T g = decay(w, grad);
    T &v = state[0], &u = state[1];
    v = mean(v, g * g);
    const T d = (std::sqrt(u + epsilon) / std::sqrt(v + epsilon)) * g;
    u = mean(u, d * d);
    return std::fma(-scalars[0], d, w);
  }
  Decay<T> decay;
  Mean<T> mean;
  T epsilon;
};

template <class T>
struct AdamW {
  using Family = ops::AdamW;
  explicit AdamW(const Family& o)
      : first(o.beta1), second(o.beta2), epsilon(constant<T>(o.epsilon)) {}
  T step(T w, T g, const T* scalars, T* state) const {
    T &m = state[0], &v = state[1];
    m = first(m, g);
    v = second(v, g * g);
    const T decayed = std::fma(-scalars[2], w, w);
    return decayed - (scalars[0] * m) / (std::sqrt(v * scalars[1]) + epsilon);
  }
  Mean<T> first, second;
  T epsilon;
};

template <class T>
struct Nadam {
  using Family = ops::Nadam;
  explicit Nadam(const Family& o)
      : decay(o.weight_decay), first(o.beta1), second(o.beta2), epsilon(constant<T>(o.epsilon)) {}
  T step(T w, T grad, const T* scalars, T* state) const {
    const T g = decay(w, grad);
    T &m = state[0], &v = state[1];
    m = first(m, g);
    v = second(v, g * g);
    return w - std::fma(scalars[0], g, scalars[1] * m) / (std::sqrt(v * scalars[2]) + epsilon);
  }
  Decay<T> decay;
  Mean<T> first, second;
  T epsilon;
};

template <class T>
struct Lion {
  using Family = ops::Lion;
  explicit Lion(const Family& o) : direction(o.beta1), memory(o.beta2) {}
  T step(T w, T g, const T* scalars, T* state) const {
    T& m = state[0];
    const T c = direction(m, g);
    m = memory(m, g);
    return std::fma(-scalars[0], sign(c), std::fma(-scalars[1], w, w));
  }
  Mean<T> direction, memory;
};

template <class T>
using AdagradStep = Step<T, Adagrad>;
template <class T>
using RmspropStep = Step<T, Rmsprop>;
template <class T>
using AdadeltaStep = Step<T, Adadelta>;
template <class T>
using AdamWStep = Step<T, AdamW>;
template <class T>
using NadamStep = Step<T, Nadam>;
template <class T>
using LionStep = Step<T, Lion>;

}  // namespace

std::span<const Entry> adaptive_optimizer_kernels() {
  static const Entry entries[] = {
      entry<AdagradStep>(ops::Adagrad::kStep),   entry<RmspropStep>(ops::Rmsprop::kStep),
      entry<AdadeltaStep>(ops::Adadelta::kStep), entry<AdamWStep>(ops::AdamW::kStep),
      entry<NadamStep>(ops::Nadam::kStep),       entry<LionStep>(ops::Lion::kStep)};
  return entries;
}

}  // namespace soma::reference
