#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family softmax_cross_entropy/1: mean over the batch of -log softmax(logits)[target]. Letters:
/// N items, C classes.
///
///   fwd  (logits [N,C], targets int32 [N]) -> loss [1], item_losses [N], probabilities [N,C]
///        item = (log(sum e) - (logits[target] - max)), e = exp(logits - max), sum in canonical
///        reduction order; probabilities = e / sum; loss = (canonical sum of the items) / N
///   bwd  (probabilities [N,C], targets int32 [N], grad_loss [1]) -> grad_logits [N,C]
///        grad = (p - onehot) * (grad_loss / N)
///
/// N = 0 gives loss 0. A target outside [0, C) is an error (SOMA_INVALID), found before anything is
/// written.
struct SoftmaxCrossEntropy {
  static constexpr const char* kForward = "softmax_cross_entropy/1.fwd";
  static constexpr const char* kBackward = "softmax_cross_entropy/1.bwd";

  static Op forward(const Shape& logits, Purpose purpose) {
    check(logits);
    return {kForward,
            {{DType::f32, logits}, {DType::i32, {logits[0]}}},
            {{DType::f32, {1}}, {DType::f32, {logits[0]}}, {DType::f32, logits}},
            {},
            purpose};
  }
  static Op backward(const Shape& logits) {
    check(logits);
    return {kBackward,
            {{DType::f32, logits}, {DType::i32, {logits[0]}}, {DType::f32, {1}}},
            {{DType::f32, logits}},
            {},
            Purpose::train};
  }

 private:
  static void check(const Shape& logits) {
    if (logits.rank() != 2)
      throw ShapeError("softmax_cross_entropy: expected logits [N,C], got " + logits.str());
  }
};

/// Op family mean_squared_error/1: mean over all n elements of (prediction - target)^2.
///
///   fwd  (prediction, target of the same shape) -> loss [1]:  d = prediction - target; (canonical
///   sum of d*d) / n bwd  (prediction, target, grad_loss [1]) -> grad_prediction = d * ((2 / n) *
///   grad_loss)
///
/// n = 0 gives loss 0.
struct MeanSquaredError {
  static constexpr const char* kForward = "mean_squared_error/1.fwd";
  static constexpr const char* kBackward = "mean_squared_error/1.bwd";

  static Op forward(const Shape& prediction, Purpose purpose) {
    return {kForward,
            {{DType::f32, prediction}, {DType::f32, prediction}},
            {{DType::f32, {1}}},
            {},
            purpose};
  }
  static Op backward(const Shape& prediction) {
    return {kBackward,
            {{DType::f32, prediction}, {DType::f32, prediction}, {DType::f32, {1}}},
            {{DType::f32, prediction}},
            {},
            Purpose::train};
  }
};

}  // namespace soma::ops
