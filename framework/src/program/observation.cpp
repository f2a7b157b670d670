#include "program/observation.hpp"

#include "program/timeline.hpp"

namespace soma {
namespace {

/// What a leaf is called; "" for what a node computes.
std::string leaf_name(const Graph& graph, const Model& model, const Graph::ValueInfo& info,
                      int value, const std::vector<std::string>& slots) {
  const auto index = static_cast<std::size_t>(info.index);
  switch (info.source) {
    case Graph::Source::input:
      return model.inputs()[index].name;
    case Graph::Source::targets:
      for (const Graph::LossInfo& loss : graph.losses) {
        if (loss.targets != value || graph.losses.size() == 1) continue;
        return "targets of " + model.outputs()[static_cast<std::size_t>(loss.output)].name;
      }
      return "targets";
    case Graph::Source::parameter:
      return graph.parameters[index].name;
    case Graph::Source::state:
      if (info.slot == kGradientSum) return "gradient of " + graph.parameters[index].name;
      return "optimizer." + slots[static_cast<std::size_t>(info.slot)] + "." +
             graph.parameters[index].name;
    case Graph::Source::scalars:
      return info.index == 0   ? "optimizer.scalars"
             : info.index == 1 ? "average.share"
                               : "batch.share";
    case Graph::Source::random:
      return "random";
    case Graph::Source::constant:
      return "constant";
    case Graph::Source::node:
      break;
  }
  return "";
}

}  // namespace

std::vector<std::string> value_names(const Graph& graph, const Model& model,
                                     const std::vector<std::string>& slots) {
  std::vector<std::string> names;
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    names.push_back(leaf_name(graph, model, graph.values[v], static_cast<int>(v), slots));
  }
  const auto call = [&](int value, const std::string& name) {
    if (value < 0) return;
    // A view shows the tensor it is a view of, which may have a name already.
    for (const int v : {value, graph.root(value)}) {
      std::string& to = names[static_cast<std::size_t>(v)];
      if (to.empty()) to = name;
    }
  };
  for (std::size_t i = 0; i < graph.layer_outputs.size(); ++i) {
    call(graph.layer_outputs[i], graph.layers[i] + ".output");
  }
  for (const Graph::LossInfo& loss : graph.losses) {
    const bool one = graph.losses.size() == 1;
    call(loss.value,
         one ? "loss" : "loss of " + model.outputs()[static_cast<std::size_t>(loss.output)].name);
  }
  for (std::size_t p = 0; p < graph.gradients.size(); ++p) {
    call(graph.gradients[p], "gradient of " + graph.parameters[p].name);
  }
  // One tensor that is passed on belongs to the layer it came to first.
  for (std::size_t i = graph.output_gradients.size(); i-- > 0;) {
    call(graph.output_gradients[i], "gradient of " + graph.layers[i] + ".output");
  }
  for (const Graph::Node& node : graph.nodes) {
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const int value = node.outputs[i];
      const auto root = static_cast<std::size_t>(graph.root(value));
      std::string& name = names[static_cast<std::size_t>(value)];
      if (name.empty()) name = names[root];  // updates write weights and state in place
      if (!name.empty()) continue;
      const std::string& first =
          node.inputs.empty() ? name : names[static_cast<std::size_t>(node.inputs[0])];
      if (node.phase == Graph::Phase::update && first.starts_with("gradient of ")) {
        name = first;  // penalised or clipped
      } else {
        name = node.op.id + " output " + std::to_string(i);
      }
    }
  }
  return names;
}

Observation::Observation(const Program& program, std::vector<std::string> names)
    : names_(std::move(names)) {
  const Graph& graph = program.graph();
  entries_.resize(graph.nodes.size());
  const auto tensors = [&](const std::vector<int>& values) {
    std::vector<StepTensor> list;
    for (const int v : values) {
      const auto at = static_cast<std::size_t>(v);
      const TensorInfo& info = graph.values[at].info;
      list.push_back({names_[at], v, info.dtype, info.shape, {}});
    }
    return list;
  };
  for (const Program::Report& report : program.report()) {
    const Graph::Node& node = *report.node;
    Entry& entry = entries_[static_cast<std::size_t>(&node - graph.nodes.data())];
    const auto layer = static_cast<std::size_t>(node.layer);
    entry.inputs = tensors(node.inputs);
    entry.outputs = tensors(node.outputs);
    entry.kernel = {.number = count_++,
                    .layer = layer < graph.layers.size() ? std::string_view(graph.layers[layer])
                                                         : std::string_view("optimizer"),
                    .phase = phase_of(node),
                    .op = &node.op,
                    .inputs = entry.inputs,
                    .outputs = entry.outputs};
  }
}

void Observation::show(StepObserver& observer, std::int64_t step, std::size_t first) noexcept {
  observer_ = &observer;
  for (Entry& entry : entries_) {
    entry.kernel.step = step;
    entry.kernel.number += first - first_;
  }
  first_ = first;
}

void Observation::before(int node, const void* const* inputs) {
  Entry& e = entry(node);
  for (std::size_t i = 0; i < e.inputs.size(); ++i) {
    StepTensor& t = e.inputs[i];
    const auto size = static_cast<std::size_t>(t.shape.elements()) * size_bytes(t.type);
    t.bytes = {static_cast<const std::byte*>(inputs[i]), size};
  }
  for (StepTensor& t : e.outputs) t.bytes = {};
  observer_->before(e.kernel);
}

void Observation::after(int node, void* const* outputs) {
  Entry& e = entry(node);
  for (StepTensor& t : e.inputs) t.bytes = {};
  for (std::size_t i = 0; i < e.outputs.size(); ++i) {
    StepTensor& t = e.outputs[i];
    const auto size = static_cast<std::size_t>(t.shape.elements()) * size_bytes(t.type);
    t.bytes = {static_cast<const std::byte*>(outputs[i]), size};
  }
  observer_->after(e.kernel);
}

}  // namespace soma
