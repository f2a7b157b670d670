#include "graph/backward.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma {
namespace {

/// Gives the inputs of a forward op the outputs of its backward op; they are in the same order.
void give_all(Backward& b, const Graph::Node& node, Op op, std::initializer_list<Value> inputs) {
  const auto grads = b.emit_all(std::move(op), std::span(inputs.begin(), inputs.size()), node);
  for (std::size_t i = 0; i < grads.size(); ++i) b.give(node.inputs[i], grads[i], node);
}

void rnn(Backward& b, const Graph::Node& node) {
  give_all(b, node, ops::Rnn::from(node.op.attributes).backward(b.in(node, 0).shape),
           {b.in(node, 1), b.in(node, 3), b.out(node, 0), b.grad(node)});
}

void lstm(Backward& b, const Graph::Node& node) {
  give_all(b, node, ops::Lstm::from(node.op.attributes).backward(b.in(node, 0).shape),
           {b.in(node, 1), b.in(node, 3), b.in(node, 4), b.out(node, 0), b.out(node, 1),
            b.out(node, 2), b.grad(node)});
}

void gru(Backward& b, const Graph::Node& node) {
  give_all(b, node, ops::Gru::from(node.op.attributes).backward(b.in(node, 0).shape),
           {b.in(node, 1), b.in(node, 4), b.out(node, 0), b.out(node, 1), b.grad(node)});
}

}  // namespace

std::span<const GradientRule> recurrent_gradients() {
  static constexpr GradientRule kRules[] = {
      {ops::Rnn::kForward, &rnn}, {ops::Lstm::kForward, &lstm}, {ops::Gru::kForward, &gru}};
  return kRules;
}

}  // namespace soma
