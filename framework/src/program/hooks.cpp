#include "program/hooks.hpp"

#include <algorithm>

#include "soma/error.hpp"

namespace soma {
namespace {

/// The number of the layer among the graph's.
std::size_t layer_number(const Graph& graph, const std::string& layer) {
  return static_cast<std::size_t>(std::ranges::find(graph.layers, layer) - graph.layers.begin());
}

}  // namespace

std::vector<int> layers_with_gradient_hooks(const Graph& graph,
                                            const std::vector<LayerHook>& hooks) {
  std::vector<int> list;
  for (const LayerHook& hook : hooks) {
    if (hook.phase == KernelTime::Phase::backward) {
      list.push_back(static_cast<int>(layer_number(graph, hook.layer)));
    }
  }
  return list;
}

void require_layer(std::span<const std::string> layers, const std::string& layer) {
  std::string list;
  for (const std::string& name : layers) {
    if (name == layer) return;
    list += (list.empty() ? "" : ", ") + name;
  }
  throw StateError("hook: the model has no layer '" + layer + "'; it has " + list);
}

HookCalls::HookCalls(const Graph& graph, const std::vector<LayerHook>& hooks)
    : calls_(graph.nodes.size()), early_calls_(graph.nodes.size()) {
  for (const LayerHook& hook : hooks) {
    const bool forward = hook.phase == KernelTime::Phase::forward;
    const auto& values = forward ? graph.layer_outputs : graph.output_gradients;
    if (values.empty()) continue;  // a program without a backward
    const int value = values[layer_number(graph, hook.layer)];
    if (value >= 0 && place(graph, hook, value)) continue;
    throw StateError("hook: " + std::string(forward ? "the output" : "a gradient of the output") +
                     " of layer '" + hook.layer + "' is not computed");
  }
}

bool HookCalls::place(const Graph& graph, const LayerHook& hook, int value) {
  const int root = graph.root(value);
  const bool given = graph.values[static_cast<std::size_t>(root)].source == Graph::Source::input;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Graph::Node& node = graph.nodes[n];
    if (node.op.id == "view") continue;
    const auto& operands = given ? node.inputs : node.outputs;
    const auto at = std::ranges::find_if(operands, [&](int v) { return graph.root(v) == root; });
    if (at == operands.end()) continue;
    (given ? early_calls_ : calls_)[n].push_back(
        {&hook, static_cast<std::size_t>(at - operands.begin()), graph.shape(value)});
    return true;
  }
  return false;
}

void HookCalls::call(const Call& call, void* data) const {
  const std::span values(static_cast<float*>(data),
                         static_cast<std::size_t>(call.shape.elements()));
  call.hook->call({call.hook->layer, step_, call.shape, values});
}

void HookCalls::before(int node, const void* const* inputs) {
  for (const Call& c : early_calls_[static_cast<std::size_t>(node)]) {
    call(c, const_cast<void*>(inputs[c.operand]));  // in the program's own memory
  }
}

void HookCalls::after(int node, void* const* outputs) {
  for (const Call& c : calls_[static_cast<std::size_t>(node)]) call(c, outputs[c.operand]);
}

}  // namespace soma
