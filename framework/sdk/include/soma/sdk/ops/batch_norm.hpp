#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family batch_norm/1: each channel brought to mean 0 and deviation 1, over everything but the
/// channels. Letters: x [..,C] is seen as [M,C].
///
///   fwd, training   (x, gamma [C], beta [C], running_mean [C], running_var [C], residual like x?)
///                   -> y, mean [C], inv_dev [C], new_running_mean [C], new_running_var [C]
///                   mean = sum(x) / M, var = sum(d * d) / M with d = x - mean,
///                   inv_dev = 1 / sqrt(var + epsilon), y = fma(d, gamma * inv_dev, beta);
///                   then, each one rounding and only if present: + residual, relu
///                   new = fma(momentum, of this batch, (1 - momentum) * old): `momentum` is the
///                   share of the new batch. The variance that enters it is the unbiased
///                   sum(d * d) / max(1, M - 1).
///   fwd, inference  the same operands -> y, with the running mean and variance as mean and var
///   bwd             (x, gamma, mean, inv_dev, y if relu, grad_y)
///                   -> grad_x, grad_gamma [C], grad_beta [C], grad_residual if residual and relu
///                   with relu, first: grad_y = +0 where not y > 0; that is grad_residual
///                   grad_beta = sum(grad_y), grad_gamma = sum(grad_y * d) * inv_dev,
///                   a = (0 + grad_beta * gamma) * (inv_dev / M),
///                   b = (0 + grad_gamma * gamma) * (inv_dev / M) * inv_dev,
///                   grad_x = fma(-d, b, fma(grad_y, gamma * inv_dev, -a))
///
/// Sums are column sums: blocks of 512 rows. 1 - momentum is rounded once. M = 1 gives y = beta
/// (with a positive epsilon); M = 0 gives mean 0 and var 0 and leaves the running statistics.
/// In place: y may be x, grad_x may be grad_y, and new_running_* may be running_*.
/// Source: Ioffe & Szegedy, arXiv:1502.03167.
struct BatchNorm {
  static constexpr const char* kForward = "batch_norm/1.fwd";
  static constexpr const char* kBackward = "batch_norm/1.bwd";

  double epsilon = 1e-5;
  double momentum = 0.1;
  bool residual = false;  // written "residual", as in an Epilogue
  bool relu = false;      // written activation = "relu"

  static BatchNorm from(const Attributes& a) {
    const std::string activation = a.text("activation", "");
    if (!activation.empty() && activation != "relu") {
      throw ShapeError("batch_norm: activation: expected \"relu\" or none, got \"" + activation +
                       "\"");
    }
    return {a.real("epsilon", 1e-5), a.real("momentum", 0.1), a.flag("residual"),
            activation == "relu"};
  }
  /// Index of the residual among the inputs of fwd, of y among those of bwd; -1 when absent.
  int residual_input() const noexcept { return residual ? 5 : -1; }
  int y_input() const noexcept { return relu ? 4 : -1; }

  /// Throws ShapeError unless x has at least 2 axes.
  Op forward(const Shape& x, Purpose purpose) const {
    check(x);
    const TensorInfo image{DType::f32, x}, channels{DType::f32, {x.back()}};
    Op op{kForward, {image, channels, channels, channels, channels}, {image}, {}, purpose};
    if (purpose == Purpose::train) op.outputs.insert(op.outputs.end(), 4, channels);
    if (residual) op.inputs.push_back(image);
    op.attributes.set_unless("epsilon", epsilon, 1e-5);
    op.attributes.set_unless("momentum", momentum, 0.1);
    write_epilogue(op);
    return op;
  }
  Op backward(const Shape& x) const {
    check(x);
    const TensorInfo image{DType::f32, x}, channels{DType::f32, {x.back()}};
    Op op{kBackward,
          {image, channels, channels, channels},
          {image, channels, channels},
          {},
          Purpose::train};
    if (relu) op.inputs.push_back(image);
    op.inputs.push_back(image);
    if (relu && residual) op.outputs.push_back(image);
    if (relu) write_epilogue(op);  // a residual alone gets grad_y as it is
    return op;
  }

 private:
  void write_epilogue(Op& op) const {
    op.attributes.set_unless("residual", residual, false);
    if (relu) op.attributes.set("activation", std::string("relu"));
  }
  static void check(const Shape& x) {
    if (x.rank() < 2) throw ShapeError("batch_norm: expected [N,..,C], got " + x.str());
  }
};

}  // namespace soma::ops
