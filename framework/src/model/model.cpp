#include "soma/model.hpp"

#include <algorithm>
#include <cstring>

#include "io/sha256.hpp"
#include "model/init.hpp"
#include "model/state.hpp"

namespace soma {
namespace {

/// Builds one layer into `graph`, with its place named in any error.
Value build_layer(GraphBuilder& builder, const Model::State::Entry& entry, const std::string& model,
                  std::span<const Value> inputs) {
  builder.enter_layer(entry.name);
  try {
    return entry.layer->build(builder, inputs);
  } catch (const ShapeError& e) {
    throw ShapeError("model '" + model + "', layer '" + entry.name + "': " + e.what());
  }
}

/// The values of an entry's inputs among the outputs built so far; `input` is the model's.
std::vector<Value> inputs_of(const Model::State& state, const Model::State::Entry& entry,
                             const Value& input, std::span<const Value> outputs) {
  std::vector<Value> values;
  for (const std::string& name : entry.inputs) {
    if (name == "input") {
      values.push_back(input);
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

}  // namespace

const char* name_of(Loss loss) noexcept {
  return loss == Loss::softmax_cross_entropy ? "softmax_cross_entropy" : "mean_squared_error";
}

Loss loss_from_name(std::string_view name) {
  if (name == "softmax_cross_entropy") return Loss::softmax_cross_entropy;
  if (name == "mean_squared_error") return Loss::mean_squared_error;
  throw ShapeError("loss: unknown loss '" + std::string(name) +
                   "'; known are softmax_cross_entropy, mean_squared_error");
}

Graph build_graph(const Model::State& model, std::int64_t batch, Purpose purpose) {
  if (model.layers.empty()) throw StateError("model '" + model.name + "' has no layers");
  Graph graph;
  GraphBuilder builder(graph, purpose);
  const Value input = builder.input(model.input.batched(batch));
  std::vector<Value> outputs;
  for (const auto& entry : model.layers) {
    outputs.push_back(
        build_layer(builder, entry, model.name, inputs_of(model, entry, input, outputs)));
  }
  graph.output = outputs.back().id;
  return graph;
}

Model::Model(Shape input, std::string name) : state_(std::make_unique<State>()) {
  state_->name = std::move(name);
  state_->input = input;
  state_->output = input;
  if (input.rank() > SOMA_MAX_RANK - 1 || input.elements() == 0) {
    throw ShapeError("model '" + state_->name + "': expected the shape of one sample, got " +
                     input.str());
  }
  GraphBuilder(state_->probe, Purpose::infer).input(input.batched(1));
}

Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model& Model::add_layer(std::unique_ptr<Layer> layer, std::string name,
                        std::vector<std::string> inputs) {
  State& s = *state_;
  if (name.empty()) name = std::string(layer->type()) + "_" + std::to_string(s.layers.size() + 1);
  if (name == "input" || name == "loss" || name.find_first_of(". \t\n/") != std::string::npos ||
      std::ranges::find(s.layers, name, &State::Entry::name) != s.layers.end()) {
    throw ShapeError(
        "model '" + s.name + "': layer name '" + name +
        "' is taken or not allowed (no dots, slashes or blanks; not \"input\" or \"loss\")");
  }
  if (inputs.empty()) inputs.push_back(s.layers.empty() ? "input" : s.layers.back().name);
  State::Entry entry{std::move(name), std::move(layer), std::move(inputs)};
  Graph trial = s.probe;  // so that a layer that does not fit leaves the model as it was
  GraphBuilder builder(trial, Purpose::infer);
  const Value input{trial.input, trial.shape(trial.input)};
  const Value output = build_layer(builder, entry, s.name, inputs_of(s, entry, input, s.outputs));
  s.probe = std::move(trial);
  s.output = output.shape.from(1);
  s.outputs.push_back(output);
  s.layers.push_back(std::move(entry));
  s.parameters.clear();
  s.initialized = false;
  return *this;
}

Model& Model::set_loss(Loss loss) {
  state_->loss = loss;
  return *this;
}

const std::string& Model::name() const noexcept { return state_->name; }
const Shape& Model::input_shape() const noexcept { return state_->input; }
const Shape& Model::output_shape() const noexcept { return state_->output; }
Loss Model::loss() const noexcept { return state_->loss; }

std::vector<Model::LayerView> Model::layers() const {
  const State& s = *state_;
  std::vector<LayerView> views;
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    views.push_back({s.layers[i].name, s.layers[i].layer.get(), s.layers[i].inputs,
                     s.outputs[i].shape.from(1), 0, 0});
  }
  for (const auto& p : s.probe.parameters) {
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
    }
  }
  return views;
}

void Model::initialize(std::uint64_t seed) {
  State& s = *state_;
  if (s.layers.empty()) throw StateError("model '" + s.name + "' has no layers");
  if (s.parameters.empty()) {
    for (const auto& p : s.probe.parameters)
      s.parameters.push_back({p.name, Tensor(p.shape), 1, p.trainable});
  }
  for (std::size_t i = 0; i < s.parameters.size(); ++i) {
    const auto& info = s.probe.parameters[i];
    draw(s.parameters[i].value.as<float>(), info.init, info.fan_in, info.fan_out, seed, info.name);
    for (const Graph::Preset& preset : info.presets) {
      const auto values = s.parameters[i].value.as<float>();
      std::fill(values.begin() + preset.begin, values.begin() + preset.end, preset.value);
    }
    ++s.parameters[i].version;
  }
  s.initialized = true;
}

bool Model::initialized() const noexcept { return state_->initialized; }

std::vector<Parameter>& Model::parameters() {
  if (!state_->initialized)
    throw StateError("model '" + state_->name + "' has no weights yet: initialize or load it");
  return state_->parameters;
}

const std::vector<Parameter>& Model::parameters() const {
  return const_cast<Model*>(this)->parameters();
}

Parameter& Model::parameter(std::string_view name) {
  std::string list;
  for (Parameter& p : parameters()) {
    if (p.name == name) return p;
    list += (list.empty() ? "" : ", ") + p.name;
  }
  throw ShapeError("model '" + state_->name + "' has no parameter '" + std::string(name) +
                   "'; it has " + list);
}

std::int64_t Model::parameter_count() const {
  std::int64_t n = 0;
  for (const auto& p : state_->probe.parameters) n += p.shape.elements();
  return n;
}

std::string Model::weights_sha256() const {
  io::Sha256 hash;
  for (const Parameter& p : parameters()) {
    hash.update(std::as_bytes(std::span(p.name)));
    const std::string shape = p.value.shape().str();
    hash.update(std::as_bytes(std::span(shape)));
    hash.update({p.value.data(), p.value.size_bytes()});
  }
  return hash.hex();
}

}  // namespace soma
