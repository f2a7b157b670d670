#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op families layer_norm/1 and rms_norm/1: each row of the last axis brought to mean 0 and
/// deviation 1, or to root mean square 1. Letters: x [..,C]; [..] are the leading axes, which count
/// the rows.
///
///   layer_norm/1.fwd  (x, gamma [C] if `scale`, beta [C] if `shift`)
///                     -> y, and when training mean [..], inv_dev [..]
///                     mean = sum(x) / C, var = sum(d * d) / C with d = x - mean,
///                     inv_dev = 1 / sqrt(var + epsilon), xhat = d * inv_dev,
///                     y = fma(xhat, gamma, beta), xhat * gamma, xhat + beta or xhat
///   layer_norm/1.bwd  (x, gamma if `scale`, mean, inv_dev, grad_y)
///                     -> grad_x, grad_gamma [C] if `scale`, grad_beta [C] if `shift`
///                     g = grad_y * gamma (or grad_y), a = sum(g) / C, b = sum(g * xhat) / C,
///                     grad_x = fma(-b, xhat, g - a) * inv_dev
///                     grad_gamma = sum over rows of grad_y * xhat, grad_beta = that of grad_y
///   rms_norm/1        the same with d = x, without mean, beta and a: fwd -> y, inv_dev; bwd
///                     (x, gamma if `scale`, inv_dev, grad_y); y = xhat * gamma,
///                     grad_x = fma(-b, xhat, g) * inv_dev
///
/// Sums over a row are canonical reductions, sums over rows are column sums in blocks of 512 rows.
/// C = 1 gives y = beta (with a positive epsilon); C = 0 gives sums of 0 and means of 0.
/// In place: y may be x, and grad_x may be grad_y.
/// Source: Ba et al., arXiv:1607.06450; Zhang & Sennrich, arXiv:1910.07467.
struct RowNorm {
  static constexpr const char* kLayerForward = "layer_norm/1.fwd";
  static constexpr const char* kLayerBackward = "layer_norm/1.bwd";
  static constexpr const char* kRmsForward = "rms_norm/1.fwd";
  static constexpr const char* kRmsBackward = "rms_norm/1.bwd";

  bool centred = true;  ///< layer norm; false: RMS norm
  bool scale = true;
  bool shift = true;  ///< layer norm only
  double epsilon = 1e-5;

  static RowNorm from(const Op& op) {
    return {op.family() == "layer_norm/1", op.attributes.flag("scale"), op.attributes.flag("shift"),
            op.attributes.real("epsilon", 1e-5)};
  }

  /// Throws ShapeError unless x has at least 2 axes.
  Op forward(const Shape& x, Purpose purpose) const {
    check(x);
    Op op{centred ? kLayerForward : kRmsForward, {{DType::f32, x}}, {{DType::f32, x}}, {}, purpose};
    const TensorInfo columns{DType::f32, {x.back()}};
    if (scale) op.inputs.push_back(columns);
    if (shift) op.inputs.push_back(columns);
    if (purpose == Purpose::train) op.outputs.insert(op.outputs.end(), centred ? 2 : 1, rows(x));
    write(op);
    return op;
  }
  Op backward(const Shape& x) const {
    check(x);
    const TensorInfo whole{DType::f32, x}, columns{DType::f32, {x.back()}};
    Op op{centred ? kLayerBackward : kRmsBackward, {whole}, {whole}, {}, Purpose::train};
    if (scale) op.inputs.push_back(columns);
    op.inputs.insert(op.inputs.end(), centred ? 2 : 1, rows(x));
    op.inputs.push_back(whole);
    if (scale) op.outputs.push_back(columns);
    if (shift) op.outputs.push_back(columns);
    write(op);
    return op;
  }

 private:
  void check(const Shape& x) const {
    const char* family = centred ? "layer_norm" : "rms_norm";
    if (x.rank() < 2) throw ShapeError(std::string(family) + ": expected [..,C], got " + x.str());
    if (shift && !centred) throw ShapeError("rms_norm: has no shift");
  }
  static TensorInfo rows(const Shape& x) {
    return {DType::f32, Shape(x.dims().first(static_cast<std::size_t>(x.rank() - 1)))};
  }
  void write(Op& op) const {
    op.attributes.set_unless("scale", scale, false);
    op.attributes.set_unless("shift", shift, false);
    op.attributes.set_unless("epsilon", epsilon, 1e-5);
  }
};

}  // namespace soma::ops
