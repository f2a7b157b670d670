#pragma once

#include <cstdint>

#include "soma/sdk/ops/broadcast.hpp"

namespace soma::ops {

/// Op families sum/1, mean/1 and max/1 over one axis, which the result does not have. x is seen as
/// [O,R,I] around the axis, y and its gradient as [O,I].
///
///   sum/1.fwd   (x) -> y[o,i] = sum over r of x[o,r,i]
///   sum/1.bwd   (grad_y) -> grad_x[o,r,i] = grad_y[o,i]
///   mean/1.fwd  (x) -> y = sum / R;  R >= 1
///   mean/1.bwd  (grad_y) -> grad_x[o,r,i] = grad_y[o,i] / R
///   max/1.fwd   (x) -> y[o,i], argmax int32 [o,i] when training: the first largest element and its
///               r; the first NaN wins over everything; R >= 1
///   max/1.bwd   (grad_y, argmax) -> grad_x: grad_y at r = argmax, +0 elsewhere
///
/// Canonical order of the sum: I = 1 (the axis runs through memory without gaps): the canonical
/// reduction of R elements. Otherwise column sums: r ascending from +0 in blocks of 512, block sums
/// added in ascending order from +0. R = 0 sums to +0.
/// Attribute: axis, counted from the front, default 0.
struct AxisReduction {
  static constexpr const char* kSum = "sum/1.fwd";
  static constexpr const char* kSumBackward = "sum/1.bwd";
  static constexpr const char* kMean = "mean/1.fwd";
  static constexpr const char* kMeanBackward = "mean/1.bwd";
  static constexpr const char* kMax = "max/1.fwd";
  static constexpr const char* kMaxBackward = "max/1.bwd";

  int axis = 0;

  static AxisReduction from(const Attributes& a) {
    return {static_cast<int>(a.integer("axis", 0))};
  }

  Op sum(const Shape& x, Purpose purpose) const { return forward(kSum, x, purpose); }
  Op sum_backward(const Shape& x) const { return backward(kSumBackward, x); }
  Op mean(const Shape& x, Purpose purpose) const {
    insist_on_elements("mean", x);
    return forward(kMean, x, purpose);
  }
  Op mean_backward(const Shape& x) const {
    insist_on_elements("mean", x);
    return backward(kMeanBackward, x);
  }
  Op max(const Shape& x, Purpose purpose) const {
    insist_on_elements("max", x);
    Op op = forward(kMax, x, purpose);
    if (purpose == Purpose::train) op.outputs.push_back({DType::i32, op.out(0)});
    return op;
  }
  Op max_backward(const Shape& x) const {
    insist_on_elements("max", x);
    Op op = backward(kMaxBackward, x);
    op.inputs.push_back({DType::i32, op.in(0)});
    return op;
  }
  /// x without the axis. Throws ShapeError for an axis that x does not have.
  Shape output_shape(const Shape& x) const {
    if (axis < 0 || axis >= x.rank()) {
      throw ShapeError("reduction: axis: expected one of " + x.str() + ", got " +
                       std::to_string(axis));
    }
    Shape y;
    for (int i = 0; i < x.rank(); ++i) {
      if (i != axis) y.append(x[i]);
    }
    return y;
  }

 private:
  void insist_on_elements(const char* where, const Shape& x) const {
    output_shape(x);
    if (x[axis] < 1 || x[axis] > INT32_MAX) {
      throw ShapeError(std::string(where) + ": axis " + std::to_string(axis) + " of " + x.str() +
                       " must have 1 element or more, and fewer than 2^31");
    }
  }
  Op forward(const char* id, const Shape& x, Purpose purpose) const {
    Op op{id, {{DType::f32, x}}, {{DType::f32, output_shape(x)}}, {}, purpose};
    op.attributes.set_unless("axis", axis, 0);
    return op;
  }
  Op backward(const char* id, const Shape& x) const {
    Op op{id, {{DType::f32, output_shape(x)}}, {{DType::f32, x}}, {}, Purpose::train};
    op.attributes.set_unless("axis", axis, 0);
    return op;
  }
};

}  // namespace soma::ops
