#include "graph/backward.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/group_norm.hpp"
#include "soma/sdk/ops/layer_norm.hpp"

namespace soma {
namespace {

// x, gamma and beta in; y and the statistics that backward needs out.

void group_norm(Backward& b, const Graph::Node& node) {
  const Value operands[] = {b.in(node, 0), b.in(node, 1), b.out(node, 1), b.out(node, 2),
                            b.grad(node)};
  const auto norm = ops::GroupNorm::from(node.op.attributes);
  const auto grads = b.emit_all(norm.backward(operands[0].shape), operands, node);
  for (std::size_t i = 0; i < 3; ++i) b.give(node.inputs[i], grads[i], node);
}

/// With the running statistics the norm is a line: its gradient is the norm of the gradient with
/// mean and beta of zero. What the channels scale gets none: see append_backward.
void predicting_batch_norm(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const auto norm = ops::BatchNorm::from(node.op.attributes);
  const Value grad = b.grad(node), zeros = b.zeros(b.in(node, 1).shape);
  const Value operands[] = {grad, b.in(node, 1), zeros, zeros, b.in(node, 4)};
  const Op op = ops::BatchNorm{.epsilon = norm.epsilon}.forward(grad.shape, Purpose::infer);
  b.give(node.inputs[0], b.emit_all(op, operands, node)[0], node);
}

void batch_norm(Backward& b, const Graph::Node& node) {
  if (node.op.purpose == Purpose::infer) return predicting_batch_norm(b, node);
  const auto norm = ops::BatchNorm::from(node.op.attributes);
  const Value grad = b.grad(node);
  std::vector<Value> operands = {b.in(node, 0), b.in(node, 1), b.out(node, 1), b.out(node, 2)};
  if (norm.relu) operands.push_back(b.out(node, 0));
  operands.push_back(grad);
  const auto grads = b.emit_all(norm.backward(operands[0].shape), operands, node);
  // The residual's comes first, as that of an addition behind the norm would.
  if (norm.residual) {
    const Value& through = norm.relu ? grads[3] : grad;
    b.give(node.inputs[static_cast<std::size_t>(norm.residual_input())], through, node);
  }
  for (std::size_t i = 0; i < 3; ++i) b.give(node.inputs[i], grads[i], node);
}

void row_norm(Backward& b, const Graph::Node& node) {
  const auto norm = ops::RowNorm::from(node.op);
  std::vector<Value> operands = {b.in(node, 0)};
  if (norm.scale) operands.push_back(b.in(node, 1));
  for (std::size_t i = 1; i < node.outputs.size(); ++i) operands.push_back(b.out(node, i));
  operands.push_back(b.grad(node));
  const auto grads = b.emit_all(norm.backward(operands[0].shape), operands, node);
  for (std::size_t i = 0; i < grads.size(); ++i) b.give(node.inputs[i], grads[i], node);
}

}  // namespace

std::span<const GradientRule> normalization_gradients() {
  static constexpr GradientRule kRules[] = {
      {ops::BatchNorm::kForward, &batch_norm},
      {ops::GroupNorm::kForward, &group_norm},
      {ops::RowNorm::kLayerForward, &row_norm},
      {ops::RowNorm::kRmsForward, &row_norm},
  };
  return kRules;
}

}  // namespace soma
