#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family prelu/1: relu with a learned slope below zero, one per channel or one for all.
/// Letters: x any shape, C its last extent (1 for a scalar), R all other extents together.
///
///   fwd  (x [...,C], slope [C] or [1]) -> y:  y = slope * x where x < 0, else x
///   bwd  (x, slope, grad_y) -> grad_x, grad_slope:  grad_x = grad_y where x > 0, else
///        slope * grad_y; grad_slope = sum of x * grad_y over the x that are not >= 0, +0 in the
///        place of the others: per channel as a column sum over R rows, for one slope as a
///        canonical reduction over all elements (numerics.md, 2)
///
/// NaN gives NaN, in grad_slope too. One channel counts as one slope. y may be x; grad_x may be
/// grad_y.
/// Source: He et al., arXiv:1502.01852.
struct PRelu {
  static constexpr const char* kForward = "prelu/1.fwd";
  static constexpr const char* kBackward = "prelu/1.bwd";

  static Op forward(const Shape& x, const Shape& slope, Purpose purpose) {
    check(x, slope);
    return {kForward, {{DType::f32, x}, {DType::f32, slope}}, {{DType::f32, x}}, {}, purpose};
  }
  static Op backward(const Shape& x, const Shape& slope) {
    check(x, slope);
    return {kBackward,
            {{DType::f32, x}, {DType::f32, slope}, {DType::f32, x}},
            {{DType::f32, x}, {DType::f32, slope}},
            {},
            Purpose::train};
  }
  static std::int64_t channels(const Shape& x) { return x.rank() == 0 ? 1 : x.back(); }

 private:
  static void check(const Shape& x, const Shape& slope) {
    if (slope.rank() == 1 && (slope[0] == 1 || slope[0] == channels(x))) return;
    throw ShapeError("prelu: expected slope [" + std::to_string(channels(x)) + "] or [1], got " +
                     slope.str());
  }
};

}  // namespace soma::ops
