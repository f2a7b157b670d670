#include "graph/backward.hpp"
#include "soma/sdk/ops/loss.hpp"

namespace soma {
namespace {

void softmax_cross_entropy(Backward& b, const Graph::Node& node) {
  const auto family = ops::SoftmaxCrossEntropy::from(node.op.attributes);
  std::vector<Value> inputs = {b.out(node, 2), b.in(node, 1), b.grad(node)};
  if (family.class_weights) inputs.push_back(b.in(node, 2));
  b.give(node.inputs[0], b.emit_all(family.backward(b.in(node, 0).shape), inputs, node).front(),
         node);
}

/// Losses whose backward takes prediction, target and the gradient of the loss.
template <class Family>
void of_prediction(Backward& b, const Graph::Node& node) {
  const Op op = Family::from(node.op.attributes).backward(b.in(node, 0).shape);
  b.give(node.inputs[0], b.emit(op, {b.in(node, 0), b.in(node, 1), b.grad(node)}, node), node);
}

void plugin_loss(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  Op op{"loss/1.bwd", node.op.inputs, {node.op.inputs[0]}, node.op.attributes, Purpose::train};
  op.inputs.push_back({DType::f32, {1}});
  const Value grad = b.emit(std::move(op), {b.in(node, 0), b.in(node, 1), b.grad(node)}, node);
  b.last_node().plugin = node.plugin;
  b.give(node.inputs[0], grad, node);
}

}  // namespace

std::span<const GradientRule> loss_gradients() {
  static constexpr GradientRule kRules[] = {
      {ops::SoftmaxCrossEntropy::kForward, &softmax_cross_entropy},
      {ops::MeanSquaredError::kForward, &of_prediction<ops::MeanSquaredError>},
      {ops::MeanAbsoluteError::kForward, &of_prediction<ops::MeanAbsoluteError>},
      {ops::Huber::kForward, &of_prediction<ops::Huber>},
      {ops::BinaryCrossEntropyWithLogits::kForward,
       &of_prediction<ops::BinaryCrossEntropyWithLogits>},
      {ops::KlDivergence::kForward, &of_prediction<ops::KlDivergence>},
      {ops::Hinge::kForward, &of_prediction<ops::Hinge>},
      {ops::Cosine::kForward, &of_prediction<ops::Cosine>},
      {"loss/1.fwd", &plugin_loss},
  };
  return kRules;
}

}  // namespace soma
