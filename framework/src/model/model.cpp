#include "soma/model.hpp"

#include <algorithm>
#include <cmath>

#include "graph/gradients.hpp"
#include "model/state.hpp"
#include "soma/error.hpp"
#include "soma/sdk/ops/attention.hpp"

namespace soma {
namespace {

/// Builds one layer into `graph`, with its place named in any error.
Value build_layer(GraphBuilder& builder, const Model::State::Entry& entry, const std::string& model,
                  std::span<const Value> inputs) {
  builder.enter_layer(entry.name);
  try {
    for (const auto& [parameter, target] : entry.ties) builder.tie(parameter, target);
    Value output = entry.layer->build(builder, inputs);
    for (const std::string& parameter : builder.unmet_ties()) {
      throw ShapeError("tie: the layer has no parameter '" + parameter + "'");
    }
    return output;
  } catch (const ShapeError& e) {
    throw ShapeError("model '" + model + "', layer '" + entry.name + "': " + e.what());
  }
}

/// The values of an entry's inputs among the model's and the layer outputs built so far.
std::vector<Value> inputs_of(const Model::State& state, const Model::State::Entry& entry,
                             const Graph& graph, std::span<const Value> outputs) {
  std::vector<Value> values;
  for (const std::string& name : entry.inputs) {
    const auto input = std::ranges::find(state.inputs, name, &ModelInput::name);
    if (input != state.inputs.end()) {
      const int id = graph.inputs[static_cast<std::size_t>(input - state.inputs.begin())];
      values.push_back({id, graph.shape(id)});
      continue;
    }
    const auto it = std::ranges::find(state.layers, name, &Model::State::Entry::name);
    const auto at = static_cast<std::size_t>(it - state.layers.begin());
    if (it == state.layers.end() || at >= outputs.size()) {
      throw ShapeError("model '" + state.name + "', layer '" + entry.name + "': input '" + name +
                       "' is not a layer before it");
    }
    values.push_back(outputs[at]);
  }
  return values;
}

/// Builds inputs and layers; the outputs of the layers come back.
std::vector<Value> build_layers(const Model::State& state, GraphBuilder& builder,
                                std::int64_t batch) {
  for (const ModelInput& input : state.inputs) {
    builder.input(input.shape.batched(batch), input.type);
  }
  std::vector<Value> outputs;
  for (const auto& entry : state.layers) {
    outputs.push_back(
        build_layer(builder, entry, state.name, inputs_of(state, entry, builder.graph(), outputs)));
    builder.graph().layer_outputs.resize(builder.graph().layers.size(), -1);
    builder.graph().layer_outputs.back() = outputs.back().id;
  }
  return outputs;
}

void forget_parameters(Model::State& state) {
  state.parameters.clear();
  state.initialized = false;
}

}  // namespace

void check_name(const Model::State& state, const std::string& what, const std::string& name) {
  const bool taken =
      std::ranges::find(state.layers, name, &Model::State::Entry::name) != state.layers.end() ||
      std::ranges::find(state.inputs, name, &ModelInput::name) != state.inputs.end();
  const bool reserved = name == "loss" || (what == "layer" && name == "input");
  if (taken || reserved || name.empty() || name.find_first_of(". \t\n/") != std::string::npos) {
    throw ShapeError("model '" + state.name + "': " + what + " name '" + name +
                     "' is taken or not allowed (no dots, slashes or blanks; not \"input\" or "
                     "\"loss\")");
  }
}

std::vector<int> Model::State::output_layers() const {
  if (outputs.empty()) return {static_cast<int>(layers.size()) - 1};
  std::vector<int> list;
  for (const std::string& output : outputs) {
    list.push_back(
        static_cast<int>(std::ranges::find(layers, output, &Entry::name) - layers.begin()));
  }
  return list;
}

Graph build_graph(const Model::State& model, std::int64_t batch, Purpose purpose) {
  return build_graph(model, batch, purpose,
                     purpose == Purpose::train ? Behaviour::training : Behaviour::prediction);
}

Graph build_graph(const Model::State& model, std::int64_t batch, Purpose purpose,
                  Behaviour behaviour) {
  if (model.layers.empty()) throw StateError("model '" + model.name + "' has no layers");
  Graph graph;
  GraphBuilder builder(graph, purpose, behaviour);
  const auto values = build_layers(model, builder, batch);
  for (const int layer : model.output_layers()) {
    graph.outputs.push_back(values[static_cast<std::size_t>(layer)].id);
  }
  return graph;
}

void append_losses(Graph& graph, const Model& model, Purpose purpose) {
  const auto outputs = model.outputs();
  for (const OutputLoss& on : model.losses()) {
    const auto output = std::ranges::find(outputs, on.output, &ModelOutput::name);
    append_loss(graph, on.loss, purpose, static_cast<int>(output - outputs.begin()), on.weight);
  }
  append_penalties(graph, purpose);
}

Model::Model(Shape input, std::string name, DType type)
    : Model(with_inputs({{"input", input, type}}, std::move(name))) {}

Model Model::with_inputs(std::vector<ModelInput> inputs, std::string name) {
  Model model;
  model.state_ = std::make_unique<State>();
  State& s = *model.state_;
  s.name = std::move(name);
  s.losses = {{"", Loss::softmax_cross_entropy, 1}};
  if (inputs.empty()) throw ShapeError("model '" + s.name + "': expected one input or more");
  for (ModelInput& input : inputs) model.add_input(std::move(input.name), input.shape, input.type);
  return model;
}

Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model& Model::add_input(std::string name, Shape shape, DType type) {
  State& s = *state_;
  check_name(s, "input", name);
  if (shape.rank() > SOMA_MAX_RANK - 1 || shape.elements() == 0) {
    throw ShapeError("model '" + s.name + "': expected the shape of one sample, got " +
                     shape.str());
  }
  if (type != DType::f32 && type != DType::i32) {
    throw ShapeError("model '" + s.name + "', input '" + name +
                     "': expected type f32 or i32, got " + name_of(type));
  }
  GraphBuilder(s.probe, Purpose::infer).input(shape.batched(1), type);
  if (s.inputs.empty()) s.first_input = s.first_output = shape;
  s.inputs.push_back({std::move(name), shape, type});
  return *this;
}

Model& Model::add_layer(std::unique_ptr<Layer> layer, std::string name,
                        std::vector<std::string> inputs) {
  State& s = *state_;
  if (name.empty()) name = std::string(layer->type()) + "_" + std::to_string(s.layers.size() + 1);
  check_name(s, "layer", name);
  if (inputs.empty()) inputs.push_back(s.layers.empty() ? s.inputs[0].name : s.layers.back().name);
  State::Entry entry{std::move(name), std::move(layer), std::move(inputs)};
  Graph trial = s.probe;  // so that a layer that does not fit leaves the model as it was
  GraphBuilder builder(trial, Purpose::infer);
  const Value output = build_layer(builder, entry, s.name, inputs_of(s, entry, trial, s.values));
  s.probe = std::move(trial);
  s.values.push_back(output);
  s.layers.push_back(std::move(entry));
  s.first_output = s.values[static_cast<std::size_t>(s.output_layers()[0])].shape.from(1);
  forget_parameters(s);
  return *this;
}

Model& Model::tie(const std::string& parameter, const std::string& to) {
  State& s = *state_;
  const auto dot = parameter.find('.');
  const auto entry = std::ranges::find(s.layers, parameter.substr(0, dot), &State::Entry::name);
  if (dot == std::string::npos || entry == s.layers.end()) {
    throw ShapeError("model '" + s.name +
                     "', tie: expected a parameter as in \"fc1.weight\", got '" + parameter + "'");
  }
  const auto before = entry->ties;
  std::erase_if(entry->ties, [&](const auto& t) { return t.first == parameter.substr(dot + 1); });
  entry->ties.emplace_back(parameter.substr(dot + 1), to);
  Graph graph;
  GraphBuilder builder(graph, Purpose::infer);
  try {
    s.values = build_layers(s, builder, 1);
  } catch (...) {
    entry->ties = before;
    throw;
  }
  s.probe = std::move(graph);
  forget_parameters(s);
  return *this;
}

Model& Model::set_outputs(std::vector<std::string> layers) {
  State& s = *state_;
  for (auto it = layers.begin(); it != layers.end(); ++it) {
    if (std::find(layers.begin(), it, *it) != it ||
        std::ranges::find(s.layers, *it, &State::Entry::name) == s.layers.end()) {
      throw ShapeError("model '" + s.name + "', outputs: expected layers, each once, got '" + *it +
                       "'");
    }
  }
  if (layers.empty()) throw ShapeError("model '" + s.name + "', outputs: expected one or more");
  s.outputs = std::move(layers);
  s.first_output = s.values[static_cast<std::size_t>(s.output_layers()[0])].shape.from(1);
  std::erase_if(s.losses, [&](const OutputLoss& loss) {
    return !loss.output.empty() && !std::ranges::count(s.outputs, loss.output);
  });
  if (s.losses.empty()) s.losses = {{"", Loss::softmax_cross_entropy, 1}};
  return *this;
}

Model& Model::set_loss(Loss loss) {
  state_->losses = {{"", std::move(loss), 1}};
  return *this;
}

Model& Model::set_loss(Loss loss, const std::string& output, double weight) {
  State& s = *state_;
  const auto given = outputs();
  if (!std::ranges::count(given, output, &ModelOutput::name) || !std::isfinite(weight)) {
    throw ShapeError("model '" + s.name + "', loss: expected an output and a finite weight, got '" +
                     output + "' and " + std::to_string(weight));
  }
  std::erase_if(s.losses,
                [&](const OutputLoss& on) { return on.output.empty() || on.output == output; });
  // Without outputs by name, the loss stays with the last layer when others are added.
  s.losses.push_back({s.outputs.empty() ? "" : output, std::move(loss), weight});
  std::ranges::stable_sort(s.losses, {}, [&](const OutputLoss& on) {
    return std::ranges::find(given, on.output, &ModelOutput::name) - given.begin();
  });
  return *this;
}

const std::string& Model::name() const noexcept { return state_->name; }
const std::vector<ModelInput>& Model::inputs() const noexcept { return state_->inputs; }
const Shape& Model::input_shape() const noexcept { return state_->first_input; }
const Shape& Model::output_shape() const noexcept { return state_->first_output; }
const Loss& Model::loss() const noexcept { return state_->losses[0].loss; }

std::vector<ModelOutput> Model::outputs() const {
  const State& s = *state_;
  std::vector<ModelOutput> list;
  if (s.layers.empty()) return list;
  for (const int i : s.output_layers()) {
    const auto layer = static_cast<std::size_t>(i);
    list.push_back({s.layers[layer].name, s.values[layer].shape.from(1)});
  }
  return list;
}

std::vector<OutputLoss> Model::losses() const {
  std::vector<OutputLoss> list = state_->losses;
  const auto given = outputs();
  if (list[0].output.empty() && !given.empty()) list[0].output = given[0].name;
  return list;
}

std::vector<Model::LayerView> Model::layers() const {
  const State& s = *state_;
  std::vector<LayerView> views;
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    const State::Entry& entry = s.layers[i];
    views.push_back(
        {entry.name, entry.layer.get(), entry.inputs, entry.ties, s.values[i].shape.from(1), 0, 0});
  }
  for (const auto& p : s.probe.parameters) {
    if (!p.trainable) continue;
    const std::string layer = p.name.substr(0, p.name.find('.'));
    std::ranges::find(views, layer, &LayerView::name)->parameters += p.shape.elements();
  }
  for (const auto& node : s.probe.nodes) {
    const std::string_view family = node.op.family();
    if (family == "linear/1" || family == "conv2d/1") {
      // Every output is one sum over the weights of its channel; in a transposed convolution every
      // input meets them.
      const bool transposed = node.op.direction() == "bwd_data";
      views[static_cast<std::size_t>(node.layer)].macs +=
          (transposed ? node.op.in(0) : node.op.out(0)).elements() * node.op.in(1).elements_from(1);
    } else if (family == "rnn/1" || family == "lstm/1" || family == "gru/1") {
      // Every gate of every step sums over the units.
      views[static_cast<std::size_t>(node.layer)].macs +=
          node.op.in(0).elements() * node.op.in(1).elements_from(1);
    } else if (family == "attention/1") {
      // Each pair of positions has a score and a share of a value.
      const auto l = ops::Attention::layout(node.op);
      views[static_cast<std::size_t>(node.layer)].macs +=
          l.batch * l.heads * l.queries * l.keys * (l.key_width + l.value_width);
    }
  }
  return views;
}

const RecordFormat& Model::record_format() const noexcept { return state_->format; }
void Model::set_record_format(RecordFormat format) { state_->format = std::move(format); }

}  // namespace soma
