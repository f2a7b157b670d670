#include "graph/backward.hpp"
#include "soma/sdk/ops/loss.hpp"

namespace soma {
namespace {

void softmax_cross_entropy(Backward& b, const Graph::Node& node) {
  b.give(node.inputs[0],
         b.emit(ops::SoftmaxCrossEntropy{}.backward(b.in(node, 0).shape),
                {b.out(node, 2), b.in(node, 1), b.grad(node)}, node),
         node);
}

void mean_squared_error(Backward& b, const Graph::Node& node) {
  b.give(node.inputs[0],
         b.emit(ops::MeanSquaredError{}.backward(b.in(node, 0).shape),
                {b.in(node, 0), b.in(node, 1), b.grad(node)}, node),
         node);
}

}  // namespace

std::span<const GradientRule> loss_gradients() {
  static constexpr GradientRule kRules[] = {
      {ops::SoftmaxCrossEntropy::kForward, &softmax_cross_entropy},
      {ops::MeanSquaredError::kForward, &mean_squared_error},
  };
  return kRules;
}

}  // namespace soma
