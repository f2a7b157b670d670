#pragma once

#include "soma/sdk/ops/epilogue.hpp"
#include "soma/sdk/ops/window.hpp"

namespace soma::ops {

/// Op family conv2d/1: 2-D convolution, kernel not flipped, channels last.
/// Letters: N batch, C input channels, K output channels, H x W input, R x S kernel, P x Q output,
/// g groups.
///
///   fwd          (input [N,H,W,C], weight [K,R,S,C/g], bias [K]?, residual [N,P,Q,K]?) -> output
///   [N,P,Q,K]
///                output[n,p,q,k] = act(bias[k] + sum over r,s,c of weight[k,r,s,c] *
///                input[n,h,w,c] + residual) with h = p*stride_h - pad_top + r*dilation_h, w alike,
///                c within the group of k; taps outside the input do not take part
///   bwd_data     (grad_output [N,P,Q,K], weight) -> grad_input [N,H,W,C]
///   bwd_weights  (input, grad_output) -> grad_weight [K,R,S,C/g], grad_bias [K] if the epilogue
///   has a bias
///
/// Canonical order: (r,s,c) forward, (r,s,k) for data, (n,p,q) for weights, in blocks of 512 by the
/// absolute index, skipped taps counted; see numerics.md. bwd_weights adds to its outputs, once,
/// when `accumulate` is set. Source: Dumoulin & Visin, arXiv:1603.07285.
struct Conv2d {
  static constexpr const char* kForward = "conv2d/1.fwd";
  static constexpr const char* kBackwardData = "conv2d/1.bwd_data";
  static constexpr const char* kBackwardWeights = "conv2d/1.bwd_weights";

  Window2d window;
  std::int64_t groups = 1;  // divides C and K
  Epilogue epilogue;
  bool accumulate = false;

  static Conv2d from(const Attributes& a) {
    return {Window2d::from(a), a.integer("groups", 1), Epilogue::from(a), a.flag("accumulate")};
  }

  /// [N,P,Q,K]. Throws ShapeError if ranks or channels differ or the kernel exceeds the padded
  /// input.
  Shape output_shape(const Shape& input, const Shape& weight) const {
    if (input.rank() != 4) throw ShapeError("conv2d: expected input [N,H,W,C], got " + input.str());
    if (groups < 1 || input[3] % groups != 0 || weight.rank() != 4 ||
        weight[3] != input[3] / groups || weight[0] % groups != 0) {
      throw ShapeError("conv2d: expected weight [K,R,S," +
                       std::to_string(input[3] / std::max<std::int64_t>(groups, 1)) + "] with " +
                       std::to_string(groups) + " group(s) dividing K and C, got " + weight.str() +
                       " for input " + input.str());
    }
    const auto [p, q] = window.output("conv2d", input[1], input[2], weight[1], weight[2]);
    return {input[0], p, q, weight[0]};
  }
  Op forward(const Shape& input, const Shape& weight, Purpose purpose) const {
    const Shape output = output_shape(input, weight);
    Op op{kForward, {{DType::f32, input}, {DType::f32, weight}}, {}, attributes(), purpose};
    epilogue.append_inputs(op, weight[0], output);
    op.outputs = {{DType::f32, output}};
    epilogue.write(op.attributes);
    return op;
  }
  Op backward_data(const Shape& input, const Shape& weight) const {
    return {kBackwardData,
            {{DType::f32, output_shape(input, weight)}, {DType::f32, weight}},
            {{DType::f32, input}},
            attributes(),
            Purpose::train};
  }
  Op backward_weights(const Shape& input, const Shape& weight) const {
    Op op{kBackwardWeights,
          {{DType::f32, input}, {DType::f32, output_shape(input, weight)}},
          {{DType::f32, weight}},
          attributes(),
          Purpose::train};
    if (epilogue.bias) op.outputs.push_back({DType::f32, {weight[0]}});
    op.attributes.set_unless("bias", epilogue.bias, false);
    op.attributes.set_unless("accumulate", accumulate, false);
    return op;
  }

 private:
  Attributes attributes() const {
    Attributes a;
    window.write(a);
    a.set_unless("groups", groups, std::int64_t{1});
    return a;
  }
};

}  // namespace soma::ops
