#include "graph/backward.hpp"
#include "model/plugin_layer.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/arrangement.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/dropout.hpp"
#include "soma/sdk/ops/embedding.hpp"
#include "soma/sdk/ops/gaussian_sample.hpp"
#include "soma/sdk/ops/upsample2d.hpp"

namespace soma {
namespace {

constexpr Purpose kTrain = Purpose::train;

void multiply(Backward& b, const Graph::Node& node) {
  const Value grad = b.grad(node);
  for (const std::size_t i : {0, 1}) {
    if (!b.wanted(node.inputs[i])) continue;
    const Op op = ops::Multiply::forward(grad.shape, grad.shape, kTrain);
    b.give(node.inputs[i], b.emit(op, {grad, b.in(node, 1 - i)}, node), node);
  }
}

void subtract(Backward& b, const Graph::Node& node) {
  const Value grad = b.grad(node);
  b.give(node.inputs[0], grad, node);
  if (!b.wanted(node.inputs[1])) return;
  const ops::Scale minus{.factor = -1};
  b.give(node.inputs[1], b.emit(minus.forward(grad.shape, kTrain), {grad}, node), node);
}

void scale(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const ops::Scale slope{.factor = ops::Scale::from(node.op.attributes).factor};
  const Value grad = b.grad(node);
  b.give(node.inputs[0], b.emit(slope.forward(grad.shape, kTrain), {grad}, node), node);
}

void broadcast_add(Backward& b, const Graph::Node& node) {
  const Value grad = b.grad(node), repeated = b.in(node, 1);
  b.give(node.inputs[0], grad, node);
  if (!b.wanted(repeated.id)) return;
  b.give(repeated.id,
         b.emit(ops::Broadcast::add_backward(grad.shape, repeated.shape), {grad}, node), node);
}

void broadcast_multiply(Backward& b, const Graph::Node& node) {
  const Value grad = b.grad(node), x = b.in(node, 0), repeated = b.in(node, 1);
  if (b.wanted(repeated.id)) {
    b.give(repeated.id,
           b.emit(ops::Broadcast::multiply_backward(x.shape, repeated.shape), {grad, x}, node),
           node);
  }
  if (b.wanted(x.id)) {
    b.give(
        x.id,
        b.emit(ops::Broadcast::multiply(x.shape, repeated.shape, kTrain), {grad, repeated}, node),
        node);
  }
}

void sum(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const Op op = ops::AxisReduction::from(node.op.attributes).sum_backward(b.in(node, 0).shape);
  b.give(node.inputs[0], b.emit(op, {b.grad(node)}, node), node);
}

void mean(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const Op op = ops::AxisReduction::from(node.op.attributes).mean_backward(b.in(node, 0).shape);
  b.give(node.inputs[0], b.emit(op, {b.grad(node)}, node), node);
}

void max(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const Op op = ops::AxisReduction::from(node.op.attributes).max_backward(b.in(node, 0).shape);
  b.give(node.inputs[0], b.emit(op, {b.grad(node), b.out(node, 1)}, node), node);
}

void concat(Backward& b, const Graph::Node& node) {
  const Value grad = b.grad(node);
  ops::Slice slice{.axis = ops::Concat::from(node.op.attributes).axis};
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    slice.begin = slice.end;
    slice.end += b.in(node, i).shape[slice.axis];
    if (!b.wanted(node.inputs[i])) continue;
    b.give(node.inputs[i], b.emit(slice.forward(grad.shape, kTrain), {grad}, node), node);
  }
}

void permute(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const Value grad = b.grad(node);
  const ops::Permute back = ops::Permute::from(node.op.attributes).inverse();
  b.give(node.inputs[0], b.emit(back.forward(grad.shape, kTrain), {grad}, node), node);
}

/// Families whose backward takes the gradient of the output alone.
template <class Family>
void unary(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const Op op = Family::from(node.op.attributes).backward(b.in(node, 0).shape);
  b.give(node.inputs[0], b.emit(op, {b.grad(node)}, node), node);
}

void embedding(Backward& b, const Graph::Node& node) {
  const Value table = b.in(node, 0), ids = b.in(node, 1);
  if (!b.wanted(table.id)) return;
  const Op op = ops::Embedding::from(node.op.attributes).backward(table.shape, ids.shape);
  b.give(table.id, b.emit(op, {b.grad(node), ids}, node), node);
}

void dropout(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const Value grad = b.grad(node);
  const Op op = ops::Dropout::from(node.op.attributes).backward(grad.shape);
  b.give(node.inputs[0], b.emit(op, {grad, b.in(node, 1)}, node), node);
}

void gaussian_sample(Backward& b, const Graph::Node& node) {
  const Value grad = b.grad(node);
  b.give(node.inputs[0], grad, node);
  if (!b.wanted(node.inputs[1])) return;
  const Op op = ops::GaussianSample::from(node.op.attributes).backward(grad.shape);
  b.give(node.inputs[1], b.emit(op, {grad, b.in(node, 2)}, node), node);
}

/// A transposed convolution: conv2d/1.bwd_data as a forward op, so its gradients are a convolution
/// and, with input and output gradient in each other's place, a weight gradient.
void transposed_conv2d(Backward& b, const Graph::Node& node) {
  const auto conv = ops::Conv2d::from(node.op.attributes);
  const Value x = b.in(node, 0), weight = b.in(node, 1), grad = b.grad(node);
  if (b.wanted(weight.id)) {
    b.give(weight.id, b.emit(conv.backward_weights(grad.shape, weight.shape), {grad, x}, node),
           node);
  }
  if (b.wanted(x.id)) {
    b.give(x.id, b.emit(conv.forward(grad.shape, weight.shape, kTrain), {grad, weight}, node),
           node);
  }
}

/// Gives only the gradients that somebody wants; see program/layer_step.cpp.
void plugin_layer(Backward& b, const Graph::Node& node) {
  const std::size_t own = node.inputs.size();
  Op op{"layer/1.bwd", node.op.inputs, {}, node.op.attributes, Purpose::train};
  std::vector<Value> operands;
  std::int64_t wanted = 0;
  for (std::size_t i = 0; i < own; ++i) {
    operands.push_back(b.in(node, i));
    if (!b.wanted(node.inputs[i])) continue;
    wanted |= std::int64_t{1} << i;
    op.outputs.push_back(node.op.inputs[i]);
  }
  if (wanted == 0) return;
  op.attributes.set(PluginLayer::kWanted, wanted);
  for (std::size_t i = 1; i < node.outputs.size(); ++i) {
    operands.push_back(b.out(node, i));
    op.inputs.push_back(node.op.outputs[i]);
  }
  operands.push_back(b.grad(node));
  op.inputs.push_back(node.op.outputs[0]);
  const auto grads = b.emit_all(std::move(op), operands, node);
  b.last_node().plugin = node.plugin;
  for (std::size_t i = 0, next = 0; i < own; ++i) {
    if ((wanted >> i & 1) != 0) b.give(node.inputs[i], grads[next++], node);
  }
}

}  // namespace

std::span<const GradientRule> structure_gradients() {
  static constexpr GradientRule kRules[] = {
      {"layer/1.fwd", &plugin_layer},
      {ops::Multiply::kForward, &multiply},
      {ops::Subtract::kForward, &subtract},
      {ops::Scale::kForward, &scale},
      {ops::Broadcast::kAdd, &broadcast_add},
      {ops::Broadcast::kMultiply, &broadcast_multiply},
      {ops::AxisReduction::kSum, &sum},
      {ops::AxisReduction::kMean, &mean},
      {ops::AxisReduction::kMax, &max},
      {ops::Concat::kForward, &concat},
      {ops::Slice::kForward, &unary<ops::Slice>},
      {ops::Permute::kForward, &permute},
      {ops::Pad::kForward, &unary<ops::Pad>},
      {ops::Upsample2d::kForward, &unary<ops::Upsample2d>},
      {ops::Embedding::kForward, &embedding},
      {ops::Dropout::kForward, &dropout},
      {ops::GaussianSample::kForward, &gaussian_sample},
      {ops::Conv2d::kBackwardData, &transposed_conv2d},
  };
  return kRules;
}

}  // namespace soma
