#pragma once

#include "soma/sdk/op.hpp"

/// What happens to gradients between the backward and the optimizer, and to weights after it.
/// Constants are the attributes rounded to float32.
namespace soma::ops {

/// Op family penalty/1: the gradient of l1 * sum |w| + l2 / 2 * sum w^2 added to that of the loss.
///
///   fwd  (grad, weight of the same shape) -> grad
///        g = l1 != 0 ? fma(l1, sign, grad) : grad, sign = 0 < w ? 1 : w < 0 ? -1 : w
///        grad = l2 != 0 ? fma(l2, w, g) : g
///
/// The output may be grad.
struct Penalty {
  static constexpr const char* kForward = "penalty/1.fwd";
  double l1 = 0, l2 = 0;

  static Penalty from(const Attributes& a) { return {a.real("l1", 0), a.real("l2", 0)}; }
  Op forward(const Shape& weight) const {
    Op op{kForward,
          {{DType::f32, weight}, {DType::f32, weight}},
          {{DType::f32, weight}},
          {},
          Purpose::train};
    op.attributes.set_unless("l1", l1, 0.0);
    op.attributes.set_unless("l2", l2, 0.0);
    return op;
  }
};

/// Op family clip_gradient/1: each element held within [-limit, limit]; NaN stays.
///
///   fwd  (grad) -> grad:  g < -limit ? -limit : limit < g ? limit : g
///
/// The output may be grad. limit > 0.
struct ClipGradient {
  static constexpr const char* kForward = "clip_gradient/1.fwd";
  double limit = 1;

  static ClipGradient from(const Attributes& a) { return {a.real("limit", 1)}; }
  Op forward(const Shape& grad) const {
    if (!(limit > 0)) throw ShapeError("clip_gradient: expected a limit above 0");
    Op op{kForward, {{DType::f32, grad}}, {{DType::f32, grad}}, {}, Purpose::train};
    op.attributes.set_unless("limit", limit, 1.0);
    return op;
  }
};

/// Op family squared_norm/1: one link of the chain that adds up the squares of all gradients.
///
///   fwd  (x, before [1]) -> sum [1]:  before + (canonical sum of x * x, each product rounded)
///
/// The output may be `before`.
struct SquaredNorm {
  static constexpr const char* kForward = "squared_norm/1.fwd";
  static Op forward(const Shape& x) {
    return {
        kForward, {{DType::f32, x}, {DType::f32, {1}}}, {{DType::f32, {1}}}, {}, Purpose::train};
  }
};

/// Op family clip_by_norm/1: a gradient made shorter where the norm of all gradients exceeds
/// max_norm.
///
///   fwd  (grad, squared_norm [1]) -> grad:  norm = sqrt(squared_norm);
///        max_norm < norm ? grad * (max_norm / norm) : grad
///
/// A norm of NaN changes nothing; one that overflowed makes finite elements 0. The output may be
/// grad. max_norm > 0. Source: Pascanu et al., ICML 2013, algorithm 1.
struct ClipByNorm {
  static constexpr const char* kForward = "clip_by_norm/1.fwd";
  double max_norm = 1;

  static ClipByNorm from(const Attributes& a) { return {a.real("max_norm", 1)}; }
  Op forward(const Shape& grad) const {
    if (!(max_norm > 0)) throw ShapeError("clip_by_norm: expected a max_norm above 0");
    Op op{kForward,
          {{DType::f32, grad}, {DType::f32, {1}}},
          {{DType::f32, grad}},
          {},
          Purpose::train};
    op.attributes.set_unless("max_norm", max_norm, 1.0);
    return op;
  }
};

/// Op family max_norm/1: the weights of each unit held within a ball. Letters: K units, the first
/// axis.
///
///   fwd  (weight [K,...]) -> weight:  per unit norm = sqrt(canonical sum of w * w);
///        limit < norm ? w * (limit / norm) : w
///
/// A norm of NaN changes nothing; one that overflowed makes finite weights 0. The output may be
/// weight. limit > 0. Source: Srivastava et al., JMLR 15 (2014), section 5.1.
struct MaxNorm {
  static constexpr const char* kForward = "max_norm/1.fwd";
  double limit = 1;

  static MaxNorm from(const Attributes& a) { return {a.real("limit", 1)}; }
  Op forward(const Shape& weight) const {
    if (weight.rank() < 1) throw ShapeError("max_norm: expected weight [K,...], got a scalar");
    if (!(limit > 0)) throw ShapeError("max_norm: expected a limit above 0");
    Op op{kForward, {{DType::f32, weight}}, {{DType::f32, weight}}, {}, Purpose::train};
    op.attributes.set_unless("limit", limit, 1.0);
    return op;
  }
};

}  // namespace soma::ops
