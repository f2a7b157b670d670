#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family group_norm/1: in each sample, each group of neighbouring channels brought to mean 0
/// and deviation 1. Groups of one channel are instance normalisation, one group is layer
/// normalisation of whole samples. Letters: x [N,..,C] is seen as [N,S,C]; G groups of D = C / G
/// channels.
///
///   fwd  (x, gamma [C], beta [C]) -> y, and when training mean [N,G], inv_dev [N,G]
///        mean = sum(x) / (S * D), var = sum(d * d) / (S * D) with d = x - mean,
///        inv_dev = 1 / sqrt(var + epsilon), y = fma(d, gamma * inv_dev, beta)
///   bwd  (x, gamma, mean, inv_dev, grad_y) -> grad_x, grad_gamma [C], grad_beta [C]
///        per sample and channel p = sum over s of grad_y, q = (sum over s of grad_y * d) *
///        inv_dev; grad_beta = sum over n of p, grad_gamma = sum over n of q; per sample and group
///        a = sum(p * gamma) * (inv_dev / (S * D)) and b = sum(q * gamma) * (inv_dev / (S * D)) *
///        inv_dev; grad_x = fma(-d, b, fma(grad_y, gamma * inv_dev, -a))
///
/// The sum of a group is taken in two steps, which makes it one pass over whole rows of channels
/// for any G: over s, as a column sum in blocks of 512 rows, then the canonical reduction over the
/// group's channels. Sums over n are column sums. S = 0 gives sums of 0 and means of 0.
/// In place: y may be x, and grad_x may be grad_y.
/// Source: Wu & He, arXiv:1803.08494; Ulyanov et al., arXiv:1607.08022.
struct GroupNorm {
  static constexpr const char* kForward = "group_norm/1.fwd";
  static constexpr const char* kBackward = "group_norm/1.bwd";

  std::int64_t groups = 1;
  double epsilon = 1e-5;

  static GroupNorm from(const Attributes& a) {
    return {a.integer("groups", 1), a.real("epsilon", 1e-5)};
  }

  /// Throws ShapeError unless x has at least 2 axes and `groups` divides its channels.
  Op forward(const Shape& x, Purpose purpose) const {
    check(x);
    const TensorInfo image{DType::f32, x}, channels{DType::f32, {x.back()}};
    Op op{kForward, {image, channels, channels}, {image}, {}, purpose};
    if (purpose == Purpose::train) op.outputs.insert(op.outputs.end(), 2, statistics(x));
    write(op);
    return op;
  }
  Op backward(const Shape& x) const {
    check(x);
    const TensorInfo image{DType::f32, x}, channels{DType::f32, {x.back()}};
    Op op{kBackward,
          {image, channels, statistics(x), statistics(x), image},
          {image, channels, channels},
          {},
          Purpose::train};
    write(op);
    return op;
  }

 private:
  void check(const Shape& x) const {
    if (x.rank() < 2) throw ShapeError("group_norm: expected [N,..,C], got " + x.str());
    if (groups < 1 || x.back() % groups != 0) {
      throw ShapeError("group_norm: groups: " + std::to_string(groups) + " does not divide " +
                       std::to_string(x.back()) + " channels");
    }
  }
  TensorInfo statistics(const Shape& x) const { return {DType::f32, {x[0], groups}}; }
  void write(Op& op) const {
    op.attributes.set_unless("groups", groups, std::int64_t{1});
    op.attributes.set_unless("epsilon", epsilon, 1e-5);
  }
};

}  // namespace soma::ops
