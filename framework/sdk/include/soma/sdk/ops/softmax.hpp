#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family softmax/1 over the last axis. Letters: N rows, C classes.
///
///   fwd  (x [N,C]) -> y [N,C]:  y = e / sum(e), e = exp(x - max(x)); the sum in canonical
///   reduction order bwd  (y [N,C], grad_y [N,C]) -> grad_x:  grad_x = y * (grad_y - dot), dot =
///   sum of y * grad_y (each product rounded,
///        then the canonical reduction)
///
/// A row that holds a NaN or a +Inf, or only -Inf, is NaN throughout. C = 1 gives exactly 1.
struct Softmax {
  static constexpr const char* kForward = "softmax/1.fwd";
  static constexpr const char* kBackward = "softmax/1.bwd";

  static Op forward(const Shape& x, Purpose purpose) {
    check(x);
    return {kForward, {{DType::f32, x}}, {{DType::f32, x}}, {}, purpose};
  }
  static Op backward(const Shape& x) {
    check(x);
    return {kBackward, {{DType::f32, x}, {DType::f32, x}}, {{DType::f32, x}}, {}, Purpose::train};
  }

 private:
  static void check(const Shape& x) {
    if (x.rank() != 2) throw ShapeError("softmax: expected [N,C], got " + x.str());
  }
};

/// Op family log_softmax/1 over the last axis. Letters: N rows, C classes.
///
///   fwd  (x [N,C]) -> y [N,C]:  y = (x - max(x)) - log(sum(exp(x - max(x)))); the sum in canonical
///        reduction order
///   bwd  (y [N,C], grad_y [N,C]) -> grad_x:  grad_x = grad_y - exp(y) * sum(grad_y), the sum in
///        canonical reduction order
///
/// A row that holds a NaN or a +Inf, or only -Inf, is NaN throughout; -Inf among finite elements
/// stays -Inf and gets the gradient grad_y. C = 1 gives exactly 0.
struct LogSoftmax {
  static constexpr const char* kForward = "log_softmax/1.fwd";
  static constexpr const char* kBackward = "log_softmax/1.bwd";

  static Op forward(const Shape& x, Purpose purpose) {
    check(x);
    return {kForward, {{DType::f32, x}}, {{DType::f32, x}}, {}, purpose};
  }
  static Op backward(const Shape& x) {
    check(x);
    return {kBackward, {{DType::f32, x}, {DType::f32, x}}, {{DType::f32, x}}, {}, Purpose::train};
  }

 private:
  static void check(const Shape& x) {
    if (x.rank() != 2) throw ShapeError("log_softmax: expected [N,C], got " + x.str());
  }
};

}  // namespace soma::ops
