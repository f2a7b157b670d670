#include "soma/neuron/neuron_view.hpp"

#include <algorithm>

#include "model/state.hpp"
#include "neuron/probe_graph.hpp"
#include "neuron/probe_inputs.hpp"
#include "neuron/reach.hpp"
#include "program/program.hpp"
#include "soma/error.hpp"
#include "soma/sdk/ops/epilogue.hpp"

namespace soma {
namespace {

/// The weighted sums of a layer's neurons; nullptr for a layer that has none, or does more than
/// sum and activate.
const Graph::Node* contraction_of(const Graph& graph, std::size_t layer) {
  const Graph::Node* found = nullptr;
  for (const Graph::Node& node : graph.nodes) {
    if (node.layer != static_cast<int>(layer) || node.op.id == "view" || is_activation(node.op)) {
      continue;
    }
    if (node.op.id != "linear/1.fwd" && node.op.id != "conv2d/1.fwd") return nullptr;
    const auto& weight = graph.values[static_cast<std::size_t>(node.inputs[1])];
    if (found != nullptr || weight.source != Graph::Source::parameter) return nullptr;
    found = &node;
  }
  return found;
}

/// What the layer gives for one sample.
Shape output_of(const Model& model, const std::string& layer) {
  return model.state().values[layer_number(model, layer)].shape.from(1);
}

const Graph::Node& known_contraction(const Model& model, const std::string& layer) {
  const auto* node = contraction_of(model.state().probe, layer_number(model, layer));
  if (node != nullptr && node->op.in(1)[0] == output_of(model, layer).back()) return *node;
  throw ShapeError("model '" + model.name() + "', layer '" + layer +
                   "': its neurons have no weights: it is not one weighted sum for each of its "
                   "outputs");
}

std::span<const float> parameter_values(const Model& model, int value) {
  const Graph& graph = model.state().probe;
  const auto index = graph.values[static_cast<std::size_t>(value)].index;
  return model.parameters()[static_cast<std::size_t>(index)].value.as<float>();
}

/// The numbers of one channel out of [..., channels].
std::vector<float> channel(const float* from, const Shape& shape, std::int64_t index) {
  std::vector<float> values;
  for (std::int64_t i = index; i < shape.elements(); i += shape.back()) values.push_back(from[i]);
  return values;
}

}  // namespace

LayerRef Model::layer(const std::string& name) const {
  layer_number(*this, name);
  return {*this, name};
}

std::int64_t LayerRef::neurons() const {
  const Shape shape = output_of(*model_, name_);
  return shape.rank() == 0 ? 1 : shape.back();
}

bool LayerRef::weighs() const {
  const auto* node = contraction_of(model_->state().probe, layer_number(*model_, name_));
  return node != nullptr && node->op.in(1)[0] == neurons();
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

Shape NeuronView::positions() const {
  const Shape shape = output_of(*model_, layer_);
  const int axes = std::max(0, shape.rank() - 1);
  return Shape(shape.dims().first(static_cast<std::size_t>(axes)));
}

std::int64_t NeuronView::position(std::span<const std::int64_t> coordinates) const {
  const Shape extents = positions();
  std::int64_t number = 0;
  for (int axis = 0; axis < extents.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    const std::int64_t at = coordinates.empty()      ? extents[axis] / 2
                            : i < coordinates.size() ? coordinates[i]
                                                     : -1;
    if (at < 0 || at >= extents[axis] ||
        coordinates.size() > static_cast<std::size_t>(extents.rank())) {
      throw ShapeError("neuron " + name() + ": expected a position within " + extents.str());
    }
    number = number * extents[axis] + at;
  }
  return number;
}

std::int64_t ReceptiveField::count() const noexcept {
  return std::ranges::count(reaches, std::uint8_t{1});
}

std::vector<ReceptiveField> NeuronView::receptive_fields(std::int64_t position) const {
  const Shape shape = output_of(*model_, layer_);
  if (position < 0 || position >= positions().elements()) {
    throw ShapeError("neuron " + name() + ": expected a position below " +
                     std::to_string(positions().elements()) + ", got " + std::to_string(position));
  }
  const auto& state = model_->state();
  ElementSet one(static_cast<std::size_t>(shape.elements()), 0);
  const std::int64_t width = shape.rank() == 0 ? 1 : shape.back();
  one[static_cast<std::size_t>(position * width + index_)] = 1;
  auto sets = reaching_inputs(state.probe, state.values[layer_number(*model_, layer_)].id, one);
  std::vector<ReceptiveField> fields;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const ModelInput& input = state.inputs[i];
    ReceptiveField field{input.name, input.shape, std::move(sets[i]), {}, {}};
    fit_box(field);
    fields.push_back(std::move(field));
  }
  return fields;
}

ReceptiveField NeuronView::receptive_field(std::int64_t position) const {
  return receptive_fields(position)[0];
}

NeuronView::Response NeuronView::respond(std::span<const TensorView> inputs) const {
  const auto& takes = model_->inputs();
  const std::int64_t sample = takes[0].shape.elements();
  const std::int64_t batch =
      inputs.empty() ? 1 : std::max<std::int64_t>(1, std::ssize(inputs[0].bytes()) / 4 / sample);
  const std::size_t number = layer_number(*model_, layer_);
  auto* parameters = &const_cast<Model*>(model_)->parameters();  // inference only reads them
  Program program(probe_graph(*model_, number, batch, Purpose::infer).graph,
                  backend("reference", {.numerics = Numerics::exact}), {parameters, nullptr});
  auto instance = program.make_instance();
  fill_inputs(instance, takes, inputs, batch);
  program.refresh_packs(1);
  program.run(instance, 1);
  const Shape whole = output_of(*model_, layer_).batched(batch);
  return {positions().batched(batch), channel(instance.output(0), whole, index_),
          channel(instance.output(1), whole, index_)};
}

}  // namespace soma
