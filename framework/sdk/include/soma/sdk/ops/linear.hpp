#pragma once

#include "soma/sdk/ops/epilogue.hpp"

namespace soma::ops {

/// Op family linear/1: every output sees every input. Letters: M rows (the batch), K inputs, N
/// outputs.
///
///   fwd          (input [M,K], weight [N,K], bias [N]?, residual [M,N]?) -> output [M,N]
///                output[m,n] = act(sum over k of input[m,k] * weight[n,k] + bias[n] +
///                residual[m,n])
///   bwd_data     (grad_output [M,N], weight [N,K]) -> grad_input [M,K]     sum over n
///   bwd_weights  (input [M,K], grad_output [M,N]) -> grad_weight [N,K], grad_bias [N] if `bias`
///   sum over m
///
/// grad_output is the gradient after the activation's own backward. bwd_weights adds to its
/// outputs, once, when `accumulate` is set. Canonical order: see numerics.md (sums in blocks of 512
/// terms).
struct Linear {
  static constexpr const char* kForward = "linear/1.fwd";
  static constexpr const char* kBackwardData = "linear/1.bwd_data";
  static constexpr const char* kBackwardWeights = "linear/1.bwd_weights";

  Epilogue epilogue;
  bool accumulate = false;

  static Linear from(const Attributes& a) { return {Epilogue::from(a), a.flag("accumulate")}; }

  /// Throws ShapeError unless input is [M,K] and weight [N,K].
  Op forward(const Shape& input, const Shape& weight, Purpose purpose) const {
    check(input, weight);
    Op op{kForward, {{DType::f32, input}, {DType::f32, weight}}, {}, {}, purpose};
    const Shape output{input[0], weight[0]};
    epilogue.append_inputs(op, weight[0], output);
    op.outputs = {{DType::f32, output}};
    epilogue.write(op.attributes);
    return op;
  }
  Op backward_data(const Shape& input, const Shape& weight) const {
    check(input, weight);
    const Shape output{input[0], weight[0]};
    return {kBackwardData,
            {{DType::f32, output}, {DType::f32, weight}},
            {{DType::f32, input}},
            {},
            Purpose::train};
  }
  Op backward_weights(const Shape& input, const Shape& weight) const {
    check(input, weight);
    const Shape output{input[0], weight[0]};
    Op op{kBackwardWeights,
          {{DType::f32, input}, {DType::f32, output}},
          {{DType::f32, weight}},
          {},
          Purpose::train};
    if (epilogue.bias) op.outputs.push_back({DType::f32, {weight[0]}});
    op.attributes.set_unless("bias", epilogue.bias, false);
    op.attributes.set_unless("accumulate", accumulate, false);
    return op;
  }

 private:
  static void check(const Shape& input, const Shape& weight) {
    if (input.rank() != 2) throw ShapeError("linear: expected input [M,K], got " + input.str());
    if (weight.rank() != 2 || weight[1] != input[1]) {
      throw ShapeError("linear: expected weight [N," + std::to_string(input[1]) + "], got " +
                       weight.str());
    }
  }
};

}  // namespace soma::ops
