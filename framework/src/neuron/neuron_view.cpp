#include "soma/neuron/neuron_view.hpp"

#include <algorithm>
#include <cstring>

#include "model/state.hpp"
#include "program/program.hpp"
#include "soma/error.hpp"
#include "soma/sdk/ops/epilogue.hpp"

namespace soma {
namespace {

bool is_contraction(const Graph::Node& node) {
  return node.op.id == "linear/1.fwd" || node.op.id == "conv2d/1.fwd";
}

std::size_t number_of(const Model& model, const std::string& layer) {
  const auto& layers = model.state().layers;
  return static_cast<std::size_t>(std::ranges::find(layers, layer, &Model::State::Entry::name) -
                                  layers.begin());
}

/// The weighted sums of a layer's neurons; nullptr for a layer that has none, or several kinds.
const Graph::Node* contraction_of(const Graph& graph, std::size_t layer) {
  const Graph::Node* found = nullptr;
  for (const Graph::Node& node : graph.nodes) {
    if (node.layer != static_cast<int>(layer) || !is_contraction(node)) continue;
    const auto& weight = graph.values[static_cast<std::size_t>(node.inputs[1])];
    if (found != nullptr || weight.source != Graph::Source::parameter) return nullptr;
    found = &node;
  }
  return found;
}

const Graph::Node& known_contraction(const Model& model, const std::string& layer) {
  return *contraction_of(model.state().probe, number_of(model, layer));
}

std::span<const float> parameter_values(const Model& model, int value) {
  const Graph& graph = model.state().probe;
  const auto index = graph.values[static_cast<std::size_t>(value)].index;
  return model.parameters()[static_cast<std::size_t>(index)].value.as<float>();
}

/// The model's graph up to a layer, with two outputs: the layer's weighted sums, and what it passes
/// on. An activation that the sums would compute on the way out is taken out of them.
Graph observed(const Model& model, std::size_t layer, std::int64_t batch) {
  Graph graph = build_graph(model.state(), batch, Purpose::infer);
  const auto end = std::ranges::find_if(
      graph.nodes, [&](const Graph::Node& node) { return node.layer > static_cast<int>(layer); });
  graph.nodes.erase(end, graph.nodes.end());
  graph.outputs.clear();
  auto node = graph.nodes.begin() + (contraction_of(graph, layer) - graph.nodes.data());
  const Value sums{node->outputs[0], graph.shape(node->outputs[0])};
  graph.outputs.push_back(sums.id);
  auto epilogue = ops::Epilogue::from(node->op.attributes);
  if (epilogue.activation.empty()) {
    graph.outputs.push_back(graph.nodes.back().outputs[0]);
    return graph;
  }
  Attributes plain;
  for (const auto& [name, value] : node->op.attributes.entries()) {
    if (name != "activation") plain.set(name, value);
  }
  node->op.attributes = plain;
  graph.nodes.erase(node + 1, graph.nodes.end());
  GraphBuilder builder(graph, Purpose::infer);
  graph.outputs.push_back(builder.activation(sums, epilogue.activation).id);
  return graph;
}

/// The numbers of one channel out of [..., channels].
std::vector<float> channel(const float* from, const Shape& shape, std::int64_t index) {
  std::vector<float> values;
  for (std::int64_t i = index; i < shape.elements(); i += shape.back()) values.push_back(from[i]);
  return values;
}

}  // namespace

LayerRef Model::layer(const std::string& name) const {
  if (number_of(*this, name) == state_->layers.size()) {
    std::string known;
    for (const auto& entry : state_->layers) known += (known.empty() ? "" : ", ") + entry.name;
    throw ShapeError("model '" + state_->name + "' has no layer '" + name + "'; it has " + known);
  }
  return {*this, name};
}

std::int64_t LayerRef::neurons() const {
  const Graph& graph = model_->state().probe;
  const Graph::Node* node = contraction_of(graph, number_of(*model_, name_));
  if (node == nullptr) {
    throw ShapeError("model '" + model_->name() + "', layer '" + name_ +
                     "' has no neurons: it is not one weighted sum for each of its outputs");
  }
  return graph.shape(node->inputs[1])[0];
}

NeuronView LayerRef::neuron(std::int64_t index) const {
  if (index < 0 || index >= neurons()) {
    throw ShapeError("model '" + model_->name() + "', layer '" + name_ + "' has the neurons 0 to " +
                     std::to_string(neurons() - 1) + ", there is no " + std::to_string(index));
  }
  return {*model_, name_, index};
}

std::span<const float> NeuronView::weights() const {
  const auto& node = known_contraction(*model_, layer_);
  const auto all = parameter_values(*model_, node.inputs[1]);
  const auto each = static_cast<std::size_t>(node.op.in(1).elements_from(1));
  return all.subspan(static_cast<std::size_t>(index_) * each, each);
}

float NeuronView::bias() const {
  const auto& node = known_contraction(*model_, layer_);
  const int input = ops::Epilogue::from(node.op.attributes).bias_input();
  if (input < 0) return 0;
  return parameter_values(
      *model_, node.inputs[static_cast<std::size_t>(input)])[static_cast<std::size_t>(index_)];
}

NeuronView::Response NeuronView::respond(std::span<const TensorView> inputs) const {
  const auto& takes = model_->inputs();
  if (inputs.size() != takes.size() || inputs[0].size() == 0) {
    throw ShapeError("neuron: expected " + std::to_string(takes.size()) +
                     " inputs of one sample or more, got " + std::to_string(inputs.size()));
  }
  const auto batch = static_cast<std::int64_t>(inputs[0].size()) / takes[0].shape.elements();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype() != takes[i].type ||
        inputs[i].size() != static_cast<std::size_t>(batch * takes[i].shape.elements())) {
      throw ShapeError("neuron: input '" + takes[i].name + "': expected " + name_of(takes[i].type) +
                       " " + takes[i].shape.batched(batch).str() + ", got " +
                       std::to_string(inputs[i].size()) + " numbers " + name_of(inputs[i].dtype()));
    }
  }
  auto* parameters = &const_cast<Model*>(model_)->parameters();  // inference only reads them
  Program program(observed(*model_, number_of(*model_, layer_), batch),
                  backend("reference", {.numerics = Numerics::exact}), {parameters, nullptr});
  auto instance = program.make_instance();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::ranges::copy(inputs[i].bytes(), instance.input(i));
  }
  program.refresh_packs(1);
  program.run(instance, 1);
  const Graph& graph = program.graph();
  const Shape sums = graph.shape(graph.outputs[0]);
  Response response;
  const Shape one = model_->state().values[number_of(*model_, layer_)].shape;
  response.shape = Shape(one.dims().first(static_cast<std::size_t>(one.rank() - 1)));
  response.shape.set(0, batch);
  response.pre_activations = channel(instance.output(0), sums, index_);
  response.activations = channel(instance.output(1), graph.shape(graph.outputs[1]), index_);
  return response;
}

}  // namespace soma
