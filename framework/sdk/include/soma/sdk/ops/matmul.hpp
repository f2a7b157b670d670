#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family matmul/1: batched matrix product. Letters: B batch, M rows, K depth, N columns.
///
///   fwd    (a [B,M,K], b [B,K,N]) -> c [B,M,N]      c = a * b;  a is [B,K,M] if transpose_a, b
///   [B,N,K] if transpose_b bwd_a  (grad_c [B,M,N], b) -> grad_a, in the shape of a          sum
///   over n bwd_b  (a, grad_c [B,M,N]) -> grad_b, in the shape of b          sum over m
///
/// Canonical order: k ascending in blocks of 512, see numerics.md. `accumulate` adds the sums to
/// the output.
struct Matmul {
  static constexpr const char* kForward = "matmul/1.fwd";
  static constexpr const char* kBackwardA = "matmul/1.bwd_a";
  static constexpr const char* kBackwardB = "matmul/1.bwd_b";

  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;

  static Matmul from(const Attributes& a) {
    return {a.flag("transpose_a"), a.flag("transpose_b"), a.flag("accumulate")};
  }

  /// Throws ShapeError unless the shapes fit.
  Op forward(const Shape& a, const Shape& b, Purpose purpose) const {
    return make(kForward, {{DType::f32, a}, {DType::f32, b}}, product(a, b), purpose);
  }
  Op backward_a(const Shape& a, const Shape& b) const {
    return make(kBackwardA, {{DType::f32, product(a, b)}, {DType::f32, b}}, a, Purpose::train);
  }
  Op backward_b(const Shape& a, const Shape& b) const {
    return make(kBackwardB, {{DType::f32, a}, {DType::f32, product(a, b)}}, b, Purpose::train);
  }

 private:
  Shape product(const Shape& a, const Shape& b) const {
    if (a.rank() != 3 || b.rank() != 3 || a[0] != b[0] ||
        a[transpose_a ? 1 : 2] != b[transpose_b ? 2 : 1]) {
      throw ShapeError(
          "matmul: expected a [B,M,K] and b [B,K,N] (each last two swapped if transposed), got " +
          a.str() + " and " + b.str());
    }
    return {a[0], a[transpose_a ? 2 : 1], b[transpose_b ? 1 : 2]};
  }
  Op make(const char* id, std::vector<TensorInfo> inputs, const Shape& output,
          Purpose purpose) const {
    Op op{id, std::move(inputs), {{DType::f32, output}}, {}, purpose};
    op.attributes.set_unless("transpose_a", transpose_a, false);
    op.attributes.set_unless("transpose_b", transpose_b, false);
    op.attributes.set_unless("accumulate", accumulate, false);
    return op;
  }
};

}  // namespace soma::ops
