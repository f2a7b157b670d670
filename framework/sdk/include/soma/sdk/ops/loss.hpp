#pragma once

#include <optional>

#include "soma/sdk/ops/elementwise_loss.hpp"
#include "soma/sdk/ops/reduction.hpp"

namespace soma::ops {

/// Op family softmax_cross_entropy/1: -log softmax(logits)[target], averaged over the items.
/// Letters: N items (all axes of the logits but the last), C classes; w the class weights, 1
/// without; s the label smoothing.
///
///   fwd  (logits [N...,C], targets int32 [N...], class_weights [C] if any) ->
///        loss [1], item_losses [N...], probabilities [N...,C]
///        e = exp(logits - max), z = log(sum e), the sum in canonical reduction order;
///        nll[c] = z - (logits[c] - max); probabilities = e / sum e
///        item = (1 - s) * (w[y] * nll[y]) + (s / C) * (canonical sum over c of nll[c] * w[c])
///        with y = target; without smoothing w[y] * nll[y], without weights nll[y]
///        loss = (canonical sum of the items) / D, D = canonical sum of w[y] over the counted
///        items (their number without weights); reduction "sum": not divided
///   bwd  (probabilities, targets, grad_loss [1], class_weights if any) -> grad_logits [N...,C]
///        scale = grad_loss / D, or grad_loss for reduction "sum"
///        without smoothing: grad = (p - onehot) * (w[y] * scale), without weights * scale
///        with: hot = (1 - s) * w[y], q[c] = (s / C) * w[c] (+ hot for c = y),
///        grad = ((hot + (s / C) * sum w) * p - q) * scale; sum w is the canonical sum, or C
///
/// 1 - s and s / C are computed in float64 and rounded to float32. An item whose target is
/// ignore_index does not count: its loss is 0 and so is its gradient, its probabilities are as
/// ever. Where D = 0 (no items, all ignored, all of weight 0) the loss and the gradient are 0, not
/// NaN. Any other target outside [0, C) is an error (SOMA_INVALID), found before anything is
/// written. Weight 0 times an infinite nll is NaN.
/// Source: Szegedy et al., arXiv:1512.00567, section 7, for the smoothing; the weights as in
/// PyTorch's CrossEntropyLoss.
struct SoftmaxCrossEntropy {
  static constexpr const char* kForward = "softmax_cross_entropy/1.fwd";
  static constexpr const char* kBackward = "softmax_cross_entropy/1.bwd";

  double label_smoothing = 0;                     // in [0, 1]
  std::optional<std::int64_t> ignore_index = {};  // any int32
  bool class_weights = false;                     // the last input; >= 0
  Reduction reduction = Reduction::mean;

  static SoftmaxCrossEntropy from(const Attributes& a) {
    SoftmaxCrossEntropy op{.label_smoothing = a.real("label_smoothing", 0),
                           .ignore_index = {},
                           .class_weights = a.flag("class_weights"),
                           .reduction = reduction_from(a)};
    for (const auto& [name, value] : a.entries()) {
      if (name == "ignore_index") op.ignore_index = a.integer("ignore_index", 0);
    }
    return op;
  }
  Op forward(const Shape& logits, Purpose purpose) const {
    const Shape items = item_shape(logits);
    return complete({kForward,
                     {{DType::f32, logits}, {DType::i32, items}},
                     {{DType::f32, {1}}, {DType::f32, items}, {DType::f32, logits}},
                     {},
                     purpose},
                    logits);
  }
  Op backward(const Shape& logits) const {
    return complete({kBackward,
                     {{DType::f32, logits}, {DType::i32, item_shape(logits)}, {DType::f32, {1}}},
                     {{DType::f32, logits}},
                     {},
                     Purpose::train},
                    logits);
  }
  /// Index of the class weights among the inputs of the forward or backward op.
  static constexpr int weights_input(bool forward) { return forward ? 2 : 3; }

 private:
  static Shape item_shape(const Shape& logits) {
    if (logits.rank() < 2) {
      throw ShapeError("softmax_cross_entropy: expected logits [N,C] or [N,...,C], got " +
                       logits.str());
    }
    return Shape(logits.dims().first(static_cast<std::size_t>(logits.rank() - 1)));
  }
  Op complete(Op op, const Shape& logits) const {
    if (!(label_smoothing >= 0 && label_smoothing <= 1)) {
      throw ShapeError("label_smoothing: expected a number in [0,1], got " +
                       std::to_string(label_smoothing));
    }
    if (ignore_index && (*ignore_index < INT32_MIN || *ignore_index > INT32_MAX)) {
      throw ShapeError("ignore_index: expected an int32, got " + std::to_string(*ignore_index));
    }
    if (class_weights) op.inputs.push_back({DType::f32, {logits.back()}});
    op.attributes.set_unless("label_smoothing", label_smoothing, 0.0);
    if (ignore_index) op.attributes.set("ignore_index", *ignore_index);
    op.attributes.set_unless("class_weights", class_weights, false);
    write_reduction(op.attributes, reduction);
    return op;
  }
};

/// Op family cosine/1: 1 - cos(prediction, target), averaged over the rows. Letters: N rows, C
/// elements; a the prediction's row, b the target's.
///
///   fwd  (prediction [N,C], target [N,C]) -> loss [1], item_losses [N]
///        ab, aa, bb = canonical sums of a*b, a*a, b*b (each product rounded)
///        na = max(sqrt(aa), epsilon), nb = max(sqrt(bb), epsilon);  item = 1 - ab / (na * nb)
///        loss = (canonical sum of the items) / N; reduction "sum": not divided; 0 for N = 0
///   bwd  (prediction, target, grad_loss [1]) -> grad_prediction
///        scale = grad_loss / N, or grad_loss;  u = 1 / (na * nb);  k = sqrt(aa) > epsilon ?
///        (ab * u) / aa : 0;  grad = (k * a - u * b) * scale
///
/// Rows shorter than epsilon count as of that length, so a row of zeros has loss 1. epsilon is
/// rounded to float32; > 0. Source: PyTorch's cosine_similarity.
struct Cosine {
  static constexpr const char* kForward = "cosine/1.fwd";
  static constexpr const char* kBackward = "cosine/1.bwd";

  double epsilon = 1e-8;
  Reduction reduction = Reduction::mean;

  static Cosine from(const Attributes& a) { return {a.real("epsilon", 1e-8), reduction_from(a)}; }
  Op forward(const Shape& prediction, Purpose purpose) const {
    check(prediction);
    return complete({kForward,
                     {{DType::f32, prediction}, {DType::f32, prediction}},
                     {{DType::f32, {1}}, {DType::f32, {prediction[0]}}},
                     {},
                     purpose});
  }
  Op backward(const Shape& prediction) const {
    check(prediction);
    return complete({kBackward,
                     {{DType::f32, prediction}, {DType::f32, prediction}, {DType::f32, {1}}},
                     {{DType::f32, prediction}},
                     {},
                     Purpose::train});
  }

 private:
  void check(const Shape& prediction) const {
    if (prediction.rank() != 2)
      throw ShapeError("cosine: expected prediction [N,C], got " + prediction.str());
    if (!(epsilon >= 1e-18)) {
      throw ShapeError("epsilon: expected a number of 1e-18 or more, got " +
                       std::to_string(epsilon));
    }
  }
  Op complete(Op op) const {
    op.attributes.set_unless("epsilon", epsilon, 1e-8);
    write_reduction(op.attributes, reduction);
    return op;
  }
};

}  // namespace soma::ops
