#pragma once

#include "soma/sdk/ops/adaptive_optimizer.hpp"

namespace soma::ops {

/// Op family sgd/1: w <- w - lr * v, element by element, with momentum (heavy ball). weight_decay
/// is added to the gradient.
///
///   step  (weight, grad, scalars [1] = {lr}, velocity if momentum != 0) -> weight, velocity if
///   momentum != 0
///         g = weight_decay != 0 ? fma(weight_decay, weight, grad) : grad
///         v = momentum != 0 ? fma(momentum, velocity, g) : g;  d = nesterov ? fma(momentum, v, g)
///         : v weight = fma(-lr, d, weight)
///
/// Constants are the attributes rounded to float32. Outputs may be (and usually are) the inputs of
/// the same name. Source: Sutskever et al., ICML 2013, in the form that keeps v free of lr.
struct Sgd {
  static constexpr const char* kStep = "sgd/1.step";
  double momentum = 0, weight_decay = 0;
  bool nesterov = false;

  static Sgd from(const Attributes& a) {
    return {a.real("momentum", 0), a.real("weight_decay", 0), a.flag("nesterov")};
  }
  Op step(const Shape& weight) const {
    Op op{kStep,
          {{DType::f32, weight}, {DType::f32, weight}, {DType::f32, {1}}},
          {{DType::f32, weight}},
          {},
          Purpose::train};
    if (momentum != 0) {
      op.inputs.push_back({DType::f32, weight});
      op.outputs.push_back({DType::f32, weight});
    }
    op.attributes.set_unless("momentum", momentum, 0.0);
    op.attributes.set_unless("weight_decay", weight_decay, 0.0);
    op.attributes.set_unless("nesterov", nesterov, false);
    return op;
  }
};

/// Op family adam/1. weight_decay is added to the gradient (not decoupled).
///
///   step  (weight, grad, scalars [2] = {lr / (1 - beta1^t), 1 / (1 - beta2^t)}, m, v) -> weight,
///   m, v
///         g = weight_decay != 0 ? fma(weight_decay, weight, grad) : grad
///         m = fma(beta1, m, (1 - beta1) * g);  v = fma(beta2, v, (1 - beta2) * (g * g))
///         weight = weight - (scalars[0] * m) / (sqrt(v * scalars[1]) + epsilon)
///
/// Constants are computed in float64 and rounded to float32 once: 1 - beta1 as float32(1 - beta1).
/// Outputs may be the inputs of the same name. Source: Kingma & Ba, arXiv:1412.6980, algorithm 1.
struct Adam {
  static constexpr const char* kStep = "adam/1.step";
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;

  static Adam from(const Attributes& a) {
    return {a.real("beta1", 0.9), a.real("beta2", 0.999), a.real("epsilon", 1e-8),
            a.real("weight_decay", 0)};
  }
  Op step(const Shape& weight) const {
    Op op{kStep,
          {{DType::f32, weight},
           {DType::f32, weight},
           {DType::f32, {2}},
           {DType::f32, weight},
           {DType::f32, weight}},
          {{DType::f32, weight}, {DType::f32, weight}, {DType::f32, weight}},
          {},
          Purpose::train};
    op.attributes.set_unless("beta1", beta1, 0.9);
    op.attributes.set_unless("beta2", beta2, 0.999);
    op.attributes.set_unless("epsilon", epsilon, 1e-8);
    op.attributes.set_unless("weight_decay", weight_decay, 0.0);
    return op;
  }
};

}  // namespace soma::ops
