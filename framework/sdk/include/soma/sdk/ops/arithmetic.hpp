#pragma once

#include "soma/sdk/ops/broadcast.hpp"

namespace soma::ops {

/// Op families multiply/1 and subtract/1: y = a * b and y = a - b, element by element, same shapes,
/// one rounding. Their gradients are multiplications and a change of sign, so there is no backward
/// op. y may be a or b.
struct Multiply {
  static constexpr const char* kForward = "multiply/1.fwd";
  static Op forward(const Shape& a, const Shape& b, Purpose purpose) {
    if (a != b) {
      throw ShapeError("multiply: expected equal shapes, got " + a.str() + " and " + b.str());
    }
    return {kForward, {{DType::f32, a}, {DType::f32, b}}, {{DType::f32, a}}, {}, purpose};
  }
};

struct Subtract {
  static constexpr const char* kForward = "subtract/1.fwd";
  static Op forward(const Shape& a, const Shape& b, Purpose purpose) {
    if (a != b) {
      throw ShapeError("subtract: expected equal shapes, got " + a.str() + " and " + b.str());
    }
    return {kForward, {{DType::f32, a}, {DType::f32, b}}, {{DType::f32, a}}, {}, purpose};
  }
};

/// Op family scale/1: y = fma(factor, x, offset), or factor * x where offset is 0 (so that -0 stays
/// -0). Both numbers are rounded to float32 when the op is made. The gradient is a scale by the
/// same factor. y may be x.
struct Scale {
  static constexpr const char* kForward = "scale/1.fwd";

  double factor = 1;
  double offset = 0;

  static Scale from(const Attributes& a) { return {a.real("factor", 1), a.real("offset", 0)}; }
  Op forward(const Shape& x, Purpose purpose) const {
    Op op{kForward, {{DType::f32, x}}, {{DType::f32, x}}, {}, purpose};
    op.attributes.set_unless("factor", static_cast<double>(static_cast<float>(factor)), 1.0);
    op.attributes.set_unless("offset", static_cast<double>(static_cast<float>(offset)), 0.0);
    return op;
  }
};

/// Op families broadcast_add/1 and broadcast_multiply/1: y = x + b and y = x * b, where b repeats
/// over x as AxisView::broadcast says: x is seen as [O,R,I], b as [O,I].
///
///   broadcast_add/1.fwd       (x, b) -> y[o,r,i] = x[o,r,i] + b[o,i]
///   broadcast_add/1.bwd       (grad_y) -> grad_b[o,i] = sum over r of grad_y[o,r,i]
///   broadcast_multiply/1.fwd  (x, b) -> y[o,r,i] = x[o,r,i] * b[o,i]
///   broadcast_multiply/1.bwd  (grad_y, x) -> grad_b[o,i] = sum over r of grad_y[o,r,i] * x[o,r,i],
///                             each product rounded
///
/// Canonical order: of a sum over an axis (sum/1). R = 0 gives +0. The gradient of x is grad_y, or
/// broadcast_multiply/1.fwd of grad_y and b. y may be x.
struct Broadcast {
  static constexpr const char* kAdd = "broadcast_add/1.fwd";
  static constexpr const char* kAddBackward = "broadcast_add/1.bwd";
  static constexpr const char* kMultiply = "broadcast_multiply/1.fwd";
  static constexpr const char* kMultiplyBackward = "broadcast_multiply/1.bwd";

  static Op add(const Shape& x, const Shape& b, Purpose purpose) {
    AxisView::broadcast("broadcast_add", x, b);
    return {kAdd, {{DType::f32, x}, {DType::f32, b}}, {{DType::f32, x}}, {}, purpose};
  }
  static Op add_backward(const Shape& x, const Shape& b) {
    AxisView::broadcast("broadcast_add", x, b);
    return {kAddBackward, {{DType::f32, x}}, {{DType::f32, b}}, {}, Purpose::train};
  }
  static Op multiply(const Shape& x, const Shape& b, Purpose purpose) {
    AxisView::broadcast("broadcast_multiply", x, b);
    return {kMultiply, {{DType::f32, x}, {DType::f32, b}}, {{DType::f32, x}}, {}, purpose};
  }
  static Op multiply_backward(const Shape& x, const Shape& b) {
    AxisView::broadcast("broadcast_multiply", x, b);
    return {kMultiplyBackward,
            {{DType::f32, x}, {DType::f32, x}},
            {{DType::f32, b}},
            {},
            Purpose::train};
  }
};

}  // namespace soma::ops
