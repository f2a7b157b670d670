#pragma once

#include <string>

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// What a contraction does with its finished sums, in this order: + bias, + residual, activation.
///   bias      one float32 per output channel, the op's next input after the weight
///   residual  a tensor of the output's shape, the input after that
///   activation  "" (none) or a fusible name of kNamedActivations (activation.hpp), aliases not
///             among them. When training only "relu" may be fused, because its derivative follows
///             from the output; the others need their input kept (see Activation).
struct Epilogue {
  bool bias = false;
  bool residual = false;
  std::string activation;

  void write(Attributes& to) const {
    to.set_unless("bias", bias, false);
    to.set_unless("residual", residual, false);
    to.set_unless("activation", activation, std::string());
  }
  static Epilogue from(const Attributes& a) {
    return {a.flag("bias"), a.flag("residual"), a.text("activation", "")};
  }
  /// Appends the operands of this epilogue to the inputs of a forward op.
  void append_inputs(Op& op, std::int64_t channels, const Shape& output) const {
    if (bias) op.inputs.push_back({DType::f32, {channels}});
    if (residual) op.inputs.push_back({DType::f32, output});
  }
  /// Index of the bias / residual among the inputs; -1 when absent. The weight is input 1.
  int bias_input() const noexcept { return bias ? 2 : -1; }
  int residual_input() const noexcept { return residual ? (bias ? 3 : 2) : -1; }
};

}  // namespace soma::ops
