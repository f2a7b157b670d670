#pragma once

#include "soma/sdk/op.hpp"

/// Optimizers with a step size per weight. Each op has the form
///
///   step  (weight, grad, scalars [k], its state...) -> weight, its state...
///
/// element by element over tensors of the weight's shape; outputs may be (and usually are) the
/// inputs of the same name. weight_decay is added to the gradient unless it says decoupled:
/// g = weight_decay != 0 ? fma(weight_decay, weight, grad) : grad. Constants are computed in
/// float64 and rounded to float32 once: 1 - beta as float32(1 - beta). State starts from zeros. t
/// counts updates from 1, lr is the rate of update t. Formulas are those of PyTorch where they and
/// the paper differ.
namespace soma::ops {

namespace detail {
inline Op optimizer_step(const char* id, const Shape& weight, std::int64_t scalars, int states) {
  Op op{id,
        {{DType::f32, weight}, {DType::f32, weight}, {DType::f32, {scalars}}},
        {{DType::f32, weight}},
        {},
        Purpose::train};
  for (int i = 0; i < states; ++i) {
    op.inputs.push_back({DType::f32, weight});
    op.outputs.push_back({DType::f32, weight});
  }
  return op;
}
}  // namespace detail

/// Op family adagrad/1. State: sum. scalars = {lr}.
///
///   sum = fma(g, g, sum);  weight = weight - (lr * g) / (sqrt(sum) + epsilon)
///
/// Source: Duchi et al., JMLR 12 (2011).
struct Adagrad {
  static constexpr const char* kStep = "adagrad/1.step";
  double epsilon = 1e-10, weight_decay = 0;

  static Adagrad from(const Attributes& a) {
    return {a.real("epsilon", 1e-10), a.real("weight_decay", 0)};
  }
  Op step(const Shape& weight) const {
    Op op = detail::optimizer_step(kStep, weight, 1, 1);
    op.attributes.set_unless("epsilon", epsilon, 1e-10);
    op.attributes.set_unless("weight_decay", weight_decay, 0.0);
    return op;
  }
};

/// Op family rmsprop/1. State: v, then m if centered, then velocity if momentum != 0.
/// scalars = {lr}.
///
///   v = fma(alpha, v, (1 - alpha) * (g * g))
///   centered: m = fma(alpha, m, (1 - alpha) * g), s = max(fma(-m, m, v), 0); else s = v
///   d = g / (sqrt(s) + epsilon)
///   momentum: velocity = fma(momentum, velocity, d), d = velocity
///   weight = fma(-lr, d, weight)
///
/// Holding the centred moment at 0 keeps rounding from taking the root of a negative number, for
/// which PyTorch gives NaN; a NaN stays. Source: Tieleman & Hinton, Coursera lecture 6.5 (2012);
/// centered: Graves, arXiv:1308.0850.
struct Rmsprop {
  static constexpr const char* kStep = "rmsprop/1.step";
  double alpha = 0.99, epsilon = 1e-8, momentum = 0, weight_decay = 0;
  bool centered = false;

  static Rmsprop from(const Attributes& a) {
    return {a.real("alpha", 0.99), a.real("epsilon", 1e-8), a.real("momentum", 0),
            a.real("weight_decay", 0), a.flag("centered")};
  }
  Op step(const Shape& weight) const {
    Op op = detail::optimizer_step(kStep, weight, 1, 1 + (centered ? 1 : 0) + (momentum != 0));
    op.attributes.set_unless("alpha", alpha, 0.99);
    op.attributes.set_unless("epsilon", epsilon, 1e-8);
    op.attributes.set_unless("momentum", momentum, 0.0);
    op.attributes.set_unless("weight_decay", weight_decay, 0.0);
    op.attributes.set_unless("centered", centered, false);
    return op;
  }
};

/// Op family adadelta/1. State: v, u. scalars = {lr}, usually 1.
///
///   v = fma(rho, v, (1 - rho) * (g * g))
///   d = (sqrt(u + epsilon) / sqrt(v + epsilon)) * g
///   u = fma(rho, u, (1 - rho) * (d * d));  weight = fma(-lr, d, weight)
///
/// Source: Zeiler, arXiv:1212.5701.
struct Adadelta {
  static constexpr const char* kStep = "adadelta/1.step";
  double rho = 0.9, epsilon = 1e-6, weight_decay = 0;

  static Adadelta from(const Attributes& a) {
    return {a.real("rho", 0.9), a.real("epsilon", 1e-6), a.real("weight_decay", 0)};
  }
  Op step(const Shape& weight) const {
    Op op = detail::optimizer_step(kStep, weight, 1, 2);
    op.attributes.set_unless("rho", rho, 0.9);
    op.attributes.set_unless("epsilon", epsilon, 1e-6);
    op.attributes.set_unless("weight_decay", weight_decay, 0.0);
    return op;
  }
};

/// Op family adamw/1: adam/1 with decoupled weight decay. State: m, v.
/// scalars = {lr / (1 - beta1^t), 1 / (1 - beta2^t), lr * weight_decay}.
///
///   m, v as in adam/1 with g = grad
///   weight = fma(-scalars[2], weight, weight)
///            - (scalars[0] * m) / (sqrt(v * scalars[1]) + epsilon)
///
/// weight_decay is in the scalars alone. Source: Loshchilov & Hutter, arXiv:1711.05101; like
/// PyTorch the decay is multiplied by the learning rate, not only by the schedule.
struct AdamW {
  static constexpr const char* kStep = "adamw/1.step";
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;

  static AdamW from(const Attributes& a) {
    return {a.real("beta1", 0.9), a.real("beta2", 0.999), a.real("epsilon", 1e-8)};
  }
  Op step(const Shape& weight) const {
    Op op = detail::optimizer_step(kStep, weight, 3, 2);
    op.attributes.set_unless("beta1", beta1, 0.9);
    op.attributes.set_unless("beta2", beta2, 0.999);
    op.attributes.set_unless("epsilon", epsilon, 1e-8);
    return op;
  }
};

/// Op family nadam/1: Adam with Nesterov momentum. State: m, v. With
/// mu(t) = beta1 * (1 - 0.96^(t * momentum_decay) / 2) and P(t) = mu(1) * ... * mu(t):
/// scalars = {lr * (1 - mu(t)) / (1 - P(t)), lr * mu(t+1) / (1 - P(t+1)), 1 / (1 - beta2^t)}.
///
///   m, v as in adam/1
///   weight = weight - fma(scalars[0], g, scalars[1] * m) / (sqrt(v * scalars[2]) + epsilon)
///
/// momentum_decay is in the scalars alone. Source: Dozat, ICLR workshop 2016.
struct Nadam {
  static constexpr const char* kStep = "nadam/1.step";
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;

  static Nadam from(const Attributes& a) {
    return {a.real("beta1", 0.9), a.real("beta2", 0.999), a.real("epsilon", 1e-8),
            a.real("weight_decay", 0)};
  }
  Op step(const Shape& weight) const {
    Op op = detail::optimizer_step(kStep, weight, 3, 2);
    op.attributes.set_unless("beta1", beta1, 0.9);
    op.attributes.set_unless("beta2", beta2, 0.999);
    op.attributes.set_unless("epsilon", epsilon, 1e-8);
    op.attributes.set_unless("weight_decay", weight_decay, 0.0);
    return op;
  }
};

/// Op family lion/1, with decoupled weight decay. State: m.
/// scalars = {lr, lr * weight_decay}; g = grad.
///
///   c = fma(beta1, m, (1 - beta1) * g);  sign = 0 < c ? 1 : c < 0 ? -1 : c
///   weight = fma(-scalars[0], sign, fma(-scalars[1], weight, weight))
///   m = fma(beta2, m, (1 - beta2) * g)
///
/// Source: Chen et al., arXiv:2302.06675.
struct Lion {
  static constexpr const char* kStep = "lion/1.step";
  double beta1 = 0.9, beta2 = 0.99;

  static Lion from(const Attributes& a) { return {a.real("beta1", 0.9), a.real("beta2", 0.99)}; }
  Op step(const Shape& weight) const {
    Op op = detail::optimizer_step(kStep, weight, 2, 1);
    op.attributes.set_unless("beta1", beta1, 0.9);
    op.attributes.set_unless("beta2", beta2, 0.99);
    return op;
  }
};

}  // namespace soma::ops
