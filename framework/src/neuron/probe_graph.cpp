#include "neuron/probe_graph.hpp"

#include <algorithm>

#include "model/state.hpp"
#include "soma/error.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/epilogue.hpp"

namespace soma {
namespace {

/// The node that computes a value of that layer; null if an earlier one does.
Graph::Node* producer(Graph& graph, int value, std::size_t layer) {
  for (Graph::Node& node : graph.nodes) {
    if (node.op.id == "view" || node.layer != static_cast<int>(layer)) continue;
    if (std::ranges::count(node.outputs, value)) return &node;
  }
  return nullptr;
}

/// Takes the activation out of an op's epilogue; returns its name, "" for none.
std::string take_activation(Op& op) {
  const std::string activation = op.attributes.text("activation", "");
  const bool has_epilogue = op.family() == "linear/1" || op.family() == "conv2d/1";
  if (!has_epilogue || activation.empty()) return "";
  Attributes plain;
  for (const auto& [name, value] : op.attributes.entries()) {
    if (name != "activation") plain.set(name, value);
  }
  op.attributes = plain;
  return activation;
}

}  // namespace

bool is_activation(const Op& op) {
  return ops::is_activation_family(op.family()) || op.id == "activation/1.fwd" ||
         op.id == "prelu/1.fwd";
}

std::size_t layer_number(const Model& model, const std::string& layer) {
  const auto& layers = model.state().layers;
  const auto found = std::ranges::find(layers, layer, &Model::State::Entry::name);
  if (found != layers.end()) return static_cast<std::size_t>(found - layers.begin());
  std::string known;
  for (const auto& entry : layers) known += (known.empty() ? "" : ", ") + entry.name;
  throw ShapeError("model '" + model.name() + "' has no layer '" + layer + "'; it has " + known);
}

ProbeGraph probe_graph(const Model& model, std::size_t layer, std::int64_t batch, Purpose purpose) {
  ProbeGraph probe{build_graph(model.state(), batch, purpose, Behaviour::prediction)};
  Graph& graph = probe.graph;
  graph.penalties.clear();
  std::erase_if(graph.nodes,
                [&](const Graph::Node& node) { return node.layer > static_cast<int>(layer); });
  probe.sums = probe.outputs = graph.layer_outputs[layer];
  const Shape shape = graph.shape(probe.outputs);
  GraphBuilder builder(graph, purpose, Behaviour::prediction);
  Graph::Node* last = producer(graph, graph.root(probe.outputs), layer);
  if (last != nullptr && is_activation(last->op)) {
    const Value sums{last->inputs[0], graph.shape(last->inputs[0])};
    probe.sums = builder.reshape(sums, shape).id;
  } else if (last != nullptr) {
    if (const std::string name = take_activation(last->op); !name.empty()) {
      probe.outputs = builder.activation({probe.sums, shape}, name).id;
    }
  }
  for (Graph::Node& node : graph.nodes) {
    if (node.layer < 0) node.layer = static_cast<int>(layer);
  }
  graph.outputs = {probe.sums, probe.outputs};
  return probe;
}

void want_gradients_of(Graph& graph, const std::vector<int>& values) {
  for (auto& value : graph.values) value.needs_gradient = false;
  const auto want = [&](int v) { graph.values[static_cast<std::size_t>(v)].needs_gradient = true; };
  for (const int v : values) want(v);
  for (const Graph::Node& node : graph.nodes) {
    const bool needed = std::ranges::any_of(node.inputs, [&](int v) {
      return graph.values[static_cast<std::size_t>(v)].needs_gradient;
    });
    if (!needed) continue;
    for (const int v : node.outputs) want(v);
  }
}

}  // namespace soma
