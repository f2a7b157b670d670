#include <algorithm>

#include "graph/rewrites.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/pool2d.hpp"

namespace soma {
namespace {

std::size_t at(int v) { return static_cast<std::size_t>(v); }

/// The node that computes `value`; null for a leaf or a view.
const Graph::Node* producer(const Graph& graph, int value) {
  const auto& info = graph.values[at(value)];
  const bool computed = info.source == Graph::Source::node && info.view_of < 0;
  return computed ? &graph.nodes[at(info.index)] : nullptr;
}

}  // namespace

void mask_before_pooling(Graph& graph) {
  std::vector<int> uses(graph.values.size(), 0);
  for (const Graph::Node& node : graph.nodes) {
    for (const int v : node.inputs) ++uses[at(v)];
  }
  const std::string relu_backward = ops::Activation{"relu"}.backward_id();
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Graph::Node& mask = graph.nodes[n];
    if (mask.op.id != relu_backward || uses[at(mask.inputs[1])] != 1) continue;
    const Graph::Node* spread = producer(graph, mask.inputs[1]);
    if (spread == nullptr || spread->op.id != ops::Pool2d::kMaxBackward) continue;
    const Graph::Node* pool = producer(graph, spread->inputs[1]);
    if (pool == nullptr || pool->inputs[0] != mask.inputs[0]) continue;
    // relu on the small side first, then the spreading; each writes the other's tensor no more.
    const auto at_spread = static_cast<std::size_t>(spread - graph.nodes.data());
    const Shape small = graph.shape(pool->outputs[0]);
    const int masked = static_cast<int>(graph.values.size());
    graph.values.push_back({.info = {DType::f32, small}, .index = static_cast<int>(at_spread)});
    Graph::Node first = mask, second = *spread;
    first.op = ops::Activation{"relu"}.backward(small);
    first.inputs = {pool->outputs[0], spread->inputs[0]};
    first.outputs = {masked};
    first.layer = spread->layer;
    second.inputs[0] = masked;
    second.outputs = mask.outputs;
    graph.values[at(mask.outputs[0])].index = static_cast<int>(n);
    graph.nodes[at_spread] = std::move(first);
    graph.nodes[n] = std::move(second);
  }
}

}  // namespace soma
