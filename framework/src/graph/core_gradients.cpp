#include "graph/backward.hpp"
#include "soma/error.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/matmul.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "soma/sdk/ops/pool2d.hpp"
#include "soma/sdk/ops/prelu.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma {
namespace {

/// Gradient before the epilogue: through the fused activation, and to the residual.
Value through_epilogue(Backward& b, const Graph::Node& node, const ops::Epilogue& epilogue) {
  Value grad = b.grad(node);
  if (epilogue.activation == "relu") {
    grad = b.emit(ops::Activation{"relu"}.backward(grad.shape), {b.out(node, 0), grad}, node);
  } else if (!epilogue.activation.empty()) {
    throw StateError("a fused " + epilogue.activation + " cannot be differentiated");
  }
  if (epilogue.residual) {
    b.give(node.inputs[static_cast<std::size_t>(epilogue.residual_input())], grad, node);
  }
  return grad;
}

template <class Family>
void contraction(Backward& b, const Graph::Node& node) {
  const Family family = Family::from(node.op.attributes);
  const Value x = b.in(node, 0), w = b.in(node, 1);
  const Value grad = through_epilogue(b, node, family.epilogue);
  if (b.wanted(w.id)) {
    const Value operands[] = {x, grad};
    const auto grads = b.emit_all(family.backward_weights(x.shape, w.shape), operands, node);
    b.give(w.id, grads[0], node);
    if (family.epilogue.bias) b.give(node.inputs[2], grads[1], node);
  }
  if (b.wanted(x.id)) {
    b.give(x.id, b.emit(family.backward_data(x.shape, w.shape), {grad, w}, node), node);
  }
}

void matmul(Backward& b, const Graph::Node& node) {
  const auto product = ops::Matmul::from(node.op.attributes);
  const Value left = b.in(node, 0), right = b.in(node, 1), grad = b.grad(node);
  if (b.wanted(left.id)) {
    b.give(left.id, b.emit(product.backward_a(left.shape, right.shape), {grad, right}, node), node);
  }
  if (b.wanted(right.id)) {
    b.give(right.id, b.emit(product.backward_b(left.shape, right.shape), {left, grad}, node), node);
  }
}

void max_pool2d(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const auto pool = ops::Pool2d::from(node.op.attributes);
  b.give(node.inputs[0],
         b.emit(pool.max_backward(b.in(node, 0).shape), {b.grad(node), b.out(node, 1)}, node),
         node);
}

void avg_pool2d(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const auto pool = ops::Pool2d::from(node.op.attributes);
  b.give(node.inputs[0], b.emit(pool.avg_backward(b.in(node, 0).shape), {b.grad(node)}, node),
         node);
}

/// The output of relu serves as well as the input and lets the input's memory go.
void relu(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const Value grad = b.grad(node);
  b.give(node.inputs[0],
         b.emit(ops::Activation{"relu"}.backward(grad.shape), {b.out(node, 0), grad}, node), node);
}

void activation(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const ops::Activation function = ops::Activation::of(node.op);
  const Value grad = b.grad(node);
  b.give(node.inputs[0], b.emit(function.backward(grad.shape), {b.in(node, 0), grad}, node), node);
}

void prelu(Backward& b, const Graph::Node& node) {
  const Value x = b.in(node, 0), slope = b.in(node, 1);
  if (!b.wanted(x.id) && !b.wanted(slope.id)) return;
  const Value operands[] = {x, slope, b.grad(node)};
  const auto grads = b.emit_all(ops::PRelu::backward(x.shape, slope.shape), operands, node);
  b.give(x.id, grads[0], node);
  b.give(slope.id, grads[1], node);
}

/// Also where only learnable numbers want a gradient.
void plugin_activation(Backward& b, const Graph::Node& node) {
  const std::size_t numbers = node.inputs.size() - 1;
  if (!b.wanted(node.inputs[0]) && numbers == 0) return;
  const TensorInfo grad_info = node.op.inputs[0], number_info{DType::f32, {1}};
  Op op{
      "activation/1.bwd", {grad_info, grad_info}, {grad_info}, node.op.attributes, Purpose::train};
  std::vector<Value> operands = {b.in(node, 0), b.grad(node)};
  for (std::size_t k = 0; k < numbers; ++k) {
    op.inputs.push_back(number_info);
    op.outputs.push_back(number_info);
    operands.push_back(b.in(node, 1 + k));
  }
  const auto grads = b.emit_all(std::move(op), operands, node);
  b.last_node().plugin = node.plugin;
  for (std::size_t i = 0; i < grads.size(); ++i) b.give(node.inputs[i], grads[i], node);
}

void add(Backward& b, const Graph::Node& node) {
  const Value grad = b.grad(node);
  b.give(node.inputs[0], grad, node);
  b.give(node.inputs[1], grad, node);
}

void softmax(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const Value grad = b.grad(node);
  b.give(node.inputs[0], b.emit(ops::Softmax::backward(grad.shape), {b.out(node, 0), grad}, node),
         node);
}

void log_softmax(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  const Value grad = b.grad(node);
  const Op op = ops::LogSoftmax::backward(grad.shape);
  b.give(node.inputs[0], b.emit(op, {b.out(node, 0), grad}, node), node);
}

void view(Backward& b, const Graph::Node& node) {
  if (!b.wanted(node.inputs[0])) return;
  b.give(node.inputs[0], b.reshape(b.grad(node), b.in(node, 0).shape, node), node);
}

}  // namespace

std::span<const GradientRule> activation_gradients() {
  static const std::vector<std::string> ids = ops::activation_ids();
  static const std::vector<GradientRule> rules = [] {
    std::vector<GradientRule> list;
    for (const std::string& id : ids) {
      if (id.ends_with(".fwd")) list.push_back({id, id == "relu/1.fwd" ? &relu : &activation});
    }
    return list;
  }();
  return rules;
}

std::span<const GradientRule> core_gradients() {
  static constexpr GradientRule kRules[] = {
      {"view", &view},
      {ops::Linear::kForward, &contraction<ops::Linear>},
      {ops::Conv2d::kForward, &contraction<ops::Conv2d>},
      {ops::Matmul::kForward, &matmul},
      {ops::Pool2d::kMaxForward, &max_pool2d},
      {ops::Pool2d::kAvgForward, &avg_pool2d},
      {ops::PRelu::kForward, &prelu},
      {"activation/1.fwd", &plugin_activation},
      {ops::Add::kForward, &add},
      {ops::Softmax::kForward, &softmax},
      {ops::LogSoftmax::kForward, &log_softmax},
  };
  return kRules;
}

}  // namespace soma
