#pragma once

#include "soma/sdk/ops/reduction.hpp"

/// Losses of two tensors of the same shape whose items are their elements. Letters: p an element of
/// the prediction, t of the target, n their number, N the first extent (1 for a scalar).
///
///   fwd  (prediction, target) -> loss [1], item_losses (the prediction's shape) if `items`
///        loss = (canonical sum of the items) / D; reduction "sum": not divided
///   bwd  (prediction, target, grad_loss [1]) -> grad_prediction = slope * scale
///        scale = grad_loss / D, or grad_loss for reduction "sum"
///
/// D = n unless said otherwise. Nothing to add up gives loss 0. Constants are the attributes
/// rounded to float32. grad_prediction may be the prediction or the target.
namespace soma::ops {

/// What these losses have in common.
struct ElementwiseLoss {
  Reduction reduction = Reduction::mean;
  bool items = false;  // also give the items

 protected:
  Op make_forward(const char* id, const Shape& shape, Purpose purpose) const {
    Op op{id, {{DType::f32, shape}, {DType::f32, shape}}, {{DType::f32, {1}}}, {}, purpose};
    if (items) op.outputs.push_back({DType::f32, shape});
    write_reduction(op.attributes, reduction);
    op.attributes.set_unless("items", items, false);
    return op;
  }
  Op make_backward(const char* id, const Shape& shape) const {
    Op op{id,
          {{DType::f32, shape}, {DType::f32, shape}, {DType::f32, {1}}},
          {{DType::f32, shape}},
          {},
          Purpose::train};
    write_reduction(op.attributes, reduction);
    return op;
  }
  static ElementwiseLoss base_from(const Attributes& a) {
    ElementwiseLoss base;
    base.reduction = reduction_from(a);
    base.items = a.flag("items");
    return base;
  }
};

/// Op family mean_squared_error/1: item = d * d, d = p - t. Its backward is
/// grad_prediction = d * ((2 / n) * grad_loss), for reduction "sum" d * (2 * grad_loss).
struct MeanSquaredError : ElementwiseLoss {
  static constexpr const char* kForward = "mean_squared_error/1.fwd";
  static constexpr const char* kBackward = "mean_squared_error/1.bwd";

  static MeanSquaredError from(const Attributes& a) { return {base_from(a)}; }
  Op forward(const Shape& prediction, Purpose purpose) const {
    return make_forward(kForward, prediction, purpose);
  }
  Op backward(const Shape& prediction) const { return make_backward(kBackward, prediction); }
};

/// Op family mean_absolute_error/1: item = |d|, d = p - t; slope = 1 where d > 0, -1 where d < 0,
/// else d (0, or NaN).
struct MeanAbsoluteError : ElementwiseLoss {
  static constexpr const char* kForward = "mean_absolute_error/1.fwd";
  static constexpr const char* kBackward = "mean_absolute_error/1.bwd";

  static MeanAbsoluteError from(const Attributes& a) { return {base_from(a)}; }
  Op forward(const Shape& prediction, Purpose purpose) const {
    return make_forward(kForward, prediction, purpose);
  }
  Op backward(const Shape& prediction) const { return make_backward(kBackward, prediction); }
};

/// Op family huber/1: d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2); d = p - t.
/// Computed as item = m * (|d| - 0.5 * m), m = |d| <= delta ? |d| : delta; slope = d held within
/// [-delta, delta], NaN stays. delta > 0. Source: Huber, Ann. Math. Statist. 35 (1964).
struct Huber : ElementwiseLoss {
  static constexpr const char* kForward = "huber/1.fwd";
  static constexpr const char* kBackward = "huber/1.bwd";
  double delta = 1;

  static Huber from(const Attributes& a) { return {base_from(a), a.real("delta", 1)}; }
  Op forward(const Shape& prediction, Purpose purpose) const {
    return complete(make_forward(kForward, prediction, purpose));
  }
  Op backward(const Shape& prediction) const {
    return complete(make_backward(kBackward, prediction));
  }

 private:
  Op complete(Op op) const {
    if (!(delta > 0)) {
      throw ShapeError("delta: expected a number above 0, got " + std::to_string(delta));
    }
    op.attributes.set_unless("delta", delta, 1.0);
    return op;
  }
};

/// Op family binary_cross_entropy_with_logits/1: the cross-entropy of sigmoid(p) and probabilities
/// t in [0, 1], in a form that neither overflows nor cancels. With e = exp(-|p|), l = log1p(e):
///
///   item  = (w * t) * (max(-p, 0) + l) + (1 - t) * (max(p, 0) + l)
///   slope = (1 - t) * a - (w * t) * b;  a = sigmoid(p), b = sigmoid(-p), the larger of them
///           1 / (1 + e), the other e / (1 + e)
///
/// w = pos_weight >= 0 weighs the elements of class 1. t outside [0, 1] is computed alike.
/// Without w this is max(p, 0) - p*t + l.
struct BinaryCrossEntropyWithLogits : ElementwiseLoss {
  static constexpr const char* kForward = "binary_cross_entropy_with_logits/1.fwd";
  static constexpr const char* kBackward = "binary_cross_entropy_with_logits/1.bwd";
  double pos_weight = 1;

  static BinaryCrossEntropyWithLogits from(const Attributes& a) {
    return {base_from(a), a.real("pos_weight", 1)};
  }
  Op forward(const Shape& logits, Purpose purpose) const {
    return complete(make_forward(kForward, logits, purpose));
  }
  Op backward(const Shape& logits) const { return complete(make_backward(kBackward, logits)); }

 private:
  Op complete(Op op) const {
    if (!(pos_weight >= 0)) {
      throw ShapeError("pos_weight: expected a number of 0 or more, got " +
                       std::to_string(pos_weight));
    }
    op.attributes.set_unless("pos_weight", pos_weight, 1.0);
    return op;
  }
};

/// Op family kl_divergence/1: of log-probabilities p and probabilities t, item = t * (log(t) - p),
/// 0 where t = 0; slope = -t. D = N, the "batch mean"; the other axes are added up. The gradient is
/// that of the log-probabilities; put a log_softmax in front.
struct KlDivergence : ElementwiseLoss {
  static constexpr const char* kForward = "kl_divergence/1.fwd";
  static constexpr const char* kBackward = "kl_divergence/1.bwd";

  static KlDivergence from(const Attributes& a) { return {base_from(a)}; }
  Op forward(const Shape& log_probabilities, Purpose purpose) const {
    return make_forward(kForward, log_probabilities, purpose);
  }
  Op backward(const Shape& log_probabilities) const {
    return make_backward(kBackward, log_probabilities);
  }
};

/// Op family hinge/1: targets t = +-1, m = fma(-t, p, 1) the missing margin.
///
///   item  = m <= 0 ? 0 : m, with `squared` its square; a NaN stays
///   slope = 0 < m ? -t : 0, with `squared` 0 < m ? (-2 * m) * t : 0
struct Hinge : ElementwiseLoss {
  static constexpr const char* kForward = "hinge/1.fwd";
  static constexpr const char* kBackward = "hinge/1.bwd";
  bool squared = false;

  static Hinge from(const Attributes& a) { return {base_from(a), a.flag("squared")}; }
  Op forward(const Shape& prediction, Purpose purpose) const {
    return complete(make_forward(kForward, prediction, purpose));
  }
  Op backward(const Shape& prediction) const {
    return complete(make_backward(kBackward, prediction));
  }

 private:
  Op complete(Op op) const {
    op.attributes.set_unless("squared", squared, false);
    return op;
  }
};

}  // namespace soma::ops
