#include "graph/backward.hpp"
#include "soma/sdk/ops/attention.hpp"

namespace soma {
namespace {

void attention(Backward& b, const Graph::Node& node) {
  const auto family = ops::Attention::from(node.op.attributes);
  const std::size_t count = family.packed ? 1 : 3;
  std::vector<Value> operands;
  for (std::size_t i = 0; i < count; ++i) operands.push_back(b.in(node, i));
  Op op = family.packed ? family.backward(operands[0].shape)
                        : family.backward(operands[0].shape, operands[1].shape, operands[2].shape);
  operands.push_back(b.out(node, 1));
  operands.push_back(b.grad(node));
  if (family.key_mask) operands.push_back(b.in(node, count));
  const auto grads = b.emit_all(std::move(op), operands, node);
  for (std::size_t i = 0; i < count; ++i) b.give(node.inputs[i], grads[i], node);
}

}  // namespace

std::span<const GradientRule> attention_gradients() {
  static constexpr GradientRule kRules[] = {{ops::Attention::kForward, &attention}};
  return kRules;
}

}  // namespace soma
