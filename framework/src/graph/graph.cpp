#include "soma/graph.hpp"

#include <algorithm>

#include "soma/error.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/prelu.hpp"

namespace soma {

int Graph::root(int value) const {
  while (values[static_cast<std::size_t>(value)].view_of >= 0) {
    value = values[static_cast<std::size_t>(value)].view_of;
  }
  return value;
}

void GraphBuilder::enter_layer(std::string name) {
  layer_ = static_cast<int>(graph_.layers.size());
  graph_.layers.push_back(std::move(name));
  scope_.clear();
  ties_.clear();
}

std::string GraphBuilder::enter_scope(std::string_view name) {
  std::string before = scope_;
  if (!name.empty()) scope_.append(name) += '.';
  return before;
}

Value GraphBuilder::add(Graph::ValueInfo info) {
  Value value{static_cast<int>(graph_.values.size()), info.info.shape};
  graph_.values.push_back(std::move(info));
  return value;
}

Value GraphBuilder::leaf(Graph::Source source, TensorInfo info, int index, int slot, float fill) {
  return add(
      {.info = std::move(info), .source = source, .index = index, .slot = slot, .fill = fill});
}

Value GraphBuilder::input(const Shape& shape, DType type) {
  const int number = static_cast<int>(graph_.inputs.size());
  const Value value = leaf(Graph::Source::input, {type, shape}, number);
  graph_.inputs.push_back(value.id);
  return value;
}

Value GraphBuilder::parameter(std::string_view name, const Shape& shape, Init init,
                              std::int64_t fan_in, std::int64_t fan_out) {
  const auto tie = std::ranges::find(ties_, scope_ + std::string(name), &Tie::name);
  if (tie == ties_.end()) return add_parameter(name, shape, init, fan_in, fan_out);
  const Graph::ParameterInfo& target = graph_.parameters[static_cast<std::size_t>(tie->parameter)];
  if (target.shape != shape) {
    throw ShapeError("tie: " + std::string(name) + " " + shape.str() + " cannot be " + target.name +
                     " " + target.shape.str());
  }
  tie->met = true;
  return {target.value, shape};
}

void GraphBuilder::tie(std::string_view name, std::string_view target) {
  const auto it = std::ranges::find(graph_.parameters, target, &Graph::ParameterInfo::name);
  if (it == graph_.parameters.end() || !it->trainable) {
    throw ShapeError("tie: expected a weight of an earlier layer, got '" + std::string(target) +
                     "'");
  }
  ties_.push_back({std::string(name), static_cast<int>(it - graph_.parameters.begin())});
}

std::vector<std::string> GraphBuilder::unmet_ties() const {
  std::vector<std::string> names;
  for (const Tie& tie : ties_) {
    if (!tie.met) names.push_back(tie.name);
  }
  return names;
}

Value GraphBuilder::add_parameter(std::string_view name, const Shape& shape, Init init,
                                  std::int64_t fan_in, std::int64_t fan_out) {
  const int number = static_cast<int>(graph_.parameters.size());
  const Value value = add({.info = {DType::f32, shape},
                           .source = Graph::Source::parameter,
                           .index = number,
                           .needs_gradient = true});
  graph_.parameters.push_back({path(name), shape, init, fan_in, fan_out, value.id});
  return value;
}

void GraphBuilder::preset(const Value& parameter, const Graph::Preset& preset) {
  const int number = graph_.values[static_cast<std::size_t>(parameter.id)].index;
  graph_.parameters[static_cast<std::size_t>(number)].presets.push_back(preset);
}

Value GraphBuilder::buffer(std::string_view name, const Shape& shape, Init init) {
  const Value value = add_parameter(name, shape, init, 0, 0);
  graph_.values[static_cast<std::size_t>(value.id)].needs_gradient = false;
  graph_.parameters.back().trainable = false;
  return value;
}

void GraphBuilder::write_back(const Value& output, const Value& buffer) {
  graph_.values[static_cast<std::size_t>(output.id)].view_of = buffer.id;
}

Value GraphBuilder::random() {
  const TensorInfo info{DType::i32, {4}};
  if (graph_.random < 0) graph_.random = leaf(Graph::Source::random, info).id;
  return {graph_.random, info.shape};
}

void GraphBuilder::penalty(Graph::PenaltyInfo::Kind kind, std::span<const Value> of,
                           double weight) {
  if (weight == 0) return;
  Graph::PenaltyInfo info{.kind = kind, .weight = weight, .layer = layer_};
  for (const Value& v : of) info.of.push_back(v.id);
  graph_.penalties.push_back(std::move(info));
}

std::string GraphBuilder::path(std::string_view name) const {
  return graph_.layers.at(static_cast<std::size_t>(layer_)) + "." + scope_ + std::string(name);
}

std::vector<Value> GraphBuilder::emit(Op op, std::span<const Value> inputs) {
  const int number = static_cast<int>(graph_.nodes.size());
  Graph::Node node{.op = std::move(op), .layer = layer_, .phase = phase_};
  bool needs_gradient = false;
  for (const Value& v : inputs) {
    node.inputs.push_back(v.id);
    needs_gradient |= graph_.values[static_cast<std::size_t>(v.id)].needs_gradient;
  }
  std::vector<Value> outputs;
  for (const TensorInfo& info : node.op.outputs) {
    outputs.push_back(add({.info = info,
                           .source = Graph::Source::node,
                           .index = number,
                           .needs_gradient = needs_gradient && phase_ == Graph::Phase::forward}));
    node.outputs.push_back(outputs.back().id);
  }
  graph_.nodes.push_back(std::move(node));
  return outputs;
}

Value GraphBuilder::emit_one(Op op, std::initializer_list<Value> inputs) {
  return emit(std::move(op), std::span(inputs.begin(), inputs.size())).front();
}

Value GraphBuilder::reshape(const Value& value, const Shape& shape) {
  if (shape == value.shape) return value;
  if (shape.elements() != value.shape.elements()) {
    throw ShapeError("reshape: " + value.shape.str() + " does not have as many elements as " +
                     shape.str());
  }
  const TensorInfo info{graph_.values[static_cast<std::size_t>(value.id)].info.dtype, shape};
  const Value view = emit_one({"view", {{info.dtype, value.shape}}, {info}, {}, purpose_}, {value});
  graph_.values[static_cast<std::size_t>(view.id)].view_of = value.id;
  return view;
}

// The one built-in activation that learns: a slope for each channel, "<layer>.slope", from 0.25 as
// in He et al., arXiv:1502.01852.
constexpr std::string_view kPRelu = "prelu";

bool GraphBuilder::knows_activation(const std::string& name) {
  return ops::is_identity(name) || name == kPRelu || ops::find_activation(name) != nullptr ||
         find_activation_plugin(name) != nullptr;
}

Value GraphBuilder::activation(const Value& x, const std::string& name) {
  if (ops::is_identity(name)) return x;
  if (const ops::NamedActivation* row = ops::find_activation(name)) {
    return emit_one(row->make().forward(x.shape, purpose_), {x});
  }
  if (name == kPRelu) {
    const Value slope =
        parameter("slope", {ops::PRelu::channels(x.shape)}, Init::constant(0.25), 0, 0);
    return emit_one(ops::PRelu::forward(x.shape, slope.shape, purpose_), {x, slope});
  }
  const soma_activation* plugin = find_activation_plugin(name);
  if (plugin == nullptr) {
    std::string known = "identity, prelu";
    for (const ops::NamedActivation& row : ops::kNamedActivations) {
      known += ", " + std::string(row.name);
    }
    for (const std::string& other : activation_plugins()) known += ", " + other;
    throw ShapeError("activation: '" + name + "' is not known; known are " + known);
  }
  Op op{"activation/1.fwd", {{DType::f32, x.shape}}, {{DType::f32, x.shape}}, {}, purpose_};
  op.attributes.set("name", name);
  std::vector<Value> inputs = {x};
  for (int k = 0; k < plugin->parameter_count; ++k) {
    const soma_option& p = plugin->parameters[k];
    op.inputs.push_back({DType::f32, {1}});
    inputs.push_back(parameter(name + "." + p.name, {1}, Init::constant(p.real), 0, 0));
  }
  const Value y = emit(std::move(op), inputs).front();
  graph_.nodes.back().plugin = name;
  return y;
}

}  // namespace soma
