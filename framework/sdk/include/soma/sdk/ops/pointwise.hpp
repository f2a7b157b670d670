#pragma once

#include "soma/sdk/op.hpp"
#include "soma/sdk/ops/activation.hpp"

namespace soma::ops {

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
