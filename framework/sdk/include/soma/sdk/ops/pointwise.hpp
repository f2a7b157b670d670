#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op families relu/1, sigmoid/1 and tanh/1: y = f(x), element by element, any shape.
///
///   fwd  (x) -> y
///   bwd  (x, grad_y) -> grad_x = f'(x) * grad_y, the derivative evaluated from x, not from the
///   rounded y
///
/// relu(NaN) = NaN, relu(-0) = +0, relu'(0) = 0 and relu'(NaN) = 0; grad_x is grad_y where x > 0,
/// else +0. For relu the output may stand in for x: both give the same bits. y may be x; grad_x may
/// be grad_y.
struct Activation {
  std::string name;  // "relu", "sigmoid" or "tanh"

  std::string forward_id() const { return name + "/1.fwd"; }
  std::string backward_id() const { return name + "/1.bwd"; }
  Op forward(const Shape& x, Purpose purpose) const {
    return {forward_id(), {{DType::f32, x}}, {{DType::f32, x}}, {}, purpose};
  }
  Op backward(const Shape& x) const {
    return {
        backward_id(), {{DType::f32, x}, {DType::f32, x}}, {{DType::f32, x}}, {}, Purpose::train};
  }
};

/// Op family add/1: sum = a + b, same shapes. Its gradient is the identity for both, so there is no
/// backward op. sum may be a or b.
struct Add {
  static constexpr const char* kForward = "add/1.fwd";
  static Op forward(const Shape& a, const Shape& b, Purpose purpose) {
    if (a != b) throw ShapeError("add: expected equal shapes, got " + a.str() + " and " + b.str());
    return {kForward, {{DType::f32, a}, {DType::f32, b}}, {{DType::f32, a}}, {}, purpose};
  }
};

}  // namespace soma::ops
