// The weights between a neuron and its neighbours.
#include <algorithm>

#include "model/state.hpp"
#include "neuron/probe_graph.hpp"
#include "soma/neuron/neuron_view.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"
#include "soma/sdk/ops/conv2d.hpp"

namespace soma {
namespace {

/// Fills in the values from the elements.
NeuronWeights gathered(const Model& model, int value, NeuronWeights weights) {
  const Graph& graph = model.state().probe;
  const auto index = static_cast<std::size_t>(graph.values[static_cast<std::size_t>(value)].index);
  weights.parameter = graph.parameters[index].name;
  const auto from = model.parameters()[index].value.as<float>();
  for (const std::int64_t e : weights.elements) {
    weights.values.push_back(from[static_cast<std::size_t>(e)]);
  }
  return weights;
}

/// Elements [begin, begin + the shape's) of a parameter.
NeuronWeights row(const Model& model, int value, std::string layer, const Shape& shape,
                  std::int64_t begin) {
  NeuronWeights weights{"", std::move(layer), shape, {}, {}};
  for (std::int64_t e = 0; e < shape.elements(); ++e) weights.elements.push_back(begin + e);
  return gathered(model, value, std::move(weights));
}

bool is_parameter(const Graph& graph, int value) {
  return graph.values[static_cast<std::size_t>(value)].source == Graph::Source::parameter;
}

/// The shape in which the weights of a contraction's row look like what they weigh.
Shape row_shape(const Graph& graph, const Graph::Node& node) {
  const Shape& weight = node.op.in(1);
  const Shape seen = graph.shape(graph.root(node.inputs[0]));
  if (weight.rank() == 4) {  // of one row: a sequence
    return seen.rank() == 3 && weight[1] == 1 ? Shape{weight[2], weight[3]} : weight.from(1);
  }
  const bool flattened = seen[0] == node.op.in(0)[0] && seen.elements_from(1) == weight[1];
  return flattened ? seen.from(1) : Shape{weight[1]};
}

/// One row for each gate of w and u, for the direction that the unit belongs to.
std::vector<NeuronWeights> recurrent_rows(const Model& model, std::size_t layer,
                                          std::int64_t index) {
  const Graph& graph = model.state().probe;
  const auto& entry = model.state().layers[layer];
  std::vector<const Graph::Node*> steps;
  for (const Graph::Node& node : graph.nodes) {
    const std::string_view family = node.op.family();
    const bool recurrent = family == "rnn/1" || family == "lstm/1" || family == "gru/1";
    if (recurrent && node.layer == static_cast<int>(layer)) steps.push_back(&node);
  }
  if (steps.empty()) return {};
  const std::int64_t units = steps.back()->op.out(0)[2];
  const std::int64_t directions = model.state().values[layer].shape.back() / units;
  const std::size_t last = steps.size() - static_cast<std::size_t>(directions - index / units);
  const Graph::Node& step = *steps[last];
  std::vector<NeuronWeights> rows;
  const int sums = graph.root(step.inputs[0]), u = step.inputs[1];
  const bool first = steps.size() == static_cast<std::size_t>(directions);
  for (const Graph::Node& node : graph.nodes) {
    if (node.op.id != "linear/1.fwd" || node.outputs[0] != sums) continue;
    const Shape& w = node.op.in(1);
    for (std::int64_t j = index % units; j < w[0]; j += units) {
      rows.push_back(
          row(model, node.inputs[1], first ? entry.inputs[0] : entry.name, Shape{w[1]}, j * w[1]));
    }
  }
  const Shape& state = step.op.in(1);
  for (std::int64_t j = index % units; j < state[0]; j += units) {
    rows.push_back(row(model, u, entry.name, Shape{state[1]}, j * state[1]));
  }
  return rows;
}

/// Follows one channel through layers that keep channels apart.
class Followed {
 public:
  Followed(const Model& model, std::size_t layer, std::int64_t channel)
      : model_(model), graph_(model.state().probe), layer_(layer), channel_(channel) {}

  /// From a value whose last axis are the channels.
  void channels_of(int value) {
    if (std::ranges::count(seen_, value) > 0) return;
    seen_.push_back(value);
    const Shape& shape = graph_.shape(value);
    for (const Graph::Node& node : graph_.nodes) {
      if (node.layer <= static_cast<int>(layer_)) continue;
      if (node.op.id == "view" && node.inputs[0] == value) {
        const Shape& other = node.op.out(0);
        if (other.back() == shape.back()) {
          channels_of(node.outputs[0]);
        } else if (other.rank() == 2 && other[0] == shape[0]) {
          flattened(node.outputs[0], shape);
        }
      } else if (keeps_channels(node, value)) {
        channels_of(node.outputs[0]);
      } else if (node.inputs[0] == value && weighs(node)) {
        node.op.id == "linear/1.fwd" ? add_units(node, Shape()) : add_filters(node);
      }
    }
  }
  std::vector<NeuronWeights> found;

 private:
  bool weighs(const Graph::Node& node) const {
    return (node.op.id == "linear/1.fwd" || node.op.id == "conv2d/1.fwd") &&
           is_parameter(graph_, node.inputs[1]);
  }
  static bool keeps_channels(const Graph::Node& node, int value) {
    const std::string_view id = node.op.id;
    const auto is = [&](auto... names) { return ((id == names) || ...); };
    if (is("add/1.fwd")) return std::ranges::count(node.inputs, value) > 0;
    if (node.inputs[0] != value) return false;
    if (is("sum/1.fwd", "mean/1.fwd", "max/1.fwd")) {
      return ops::AxisReduction::from(node.op.attributes).axis + 1 < node.op.in(0).rank();
    }
    return is_activation(node.op) || is("scale/1.fwd", "batch_norm/1.fwd", "max_pool2d/1.fwd",
                                        "avg_pool2d/1.fwd", "upsample2d/1.fwd");
  }
  /// From [N, positions * channels]; `shape` is what it was before.
  void flattened(int value, const Shape& shape) {
    for (const Graph::Node& node : graph_.nodes) {
      if (node.inputs[0] != value) continue;
      const bool pointwise = is_activation(node.op) || node.op.id == "scale/1.fwd";
      if (pointwise) flattened(node.outputs[0], shape);
      if (node.op.id == "view" && node.op.out(0) == node.op.in(0)) {
        flattened(node.outputs[0], shape);
      }
      if (node.op.id == "linear/1.fwd" && weighs(node)) {
        const auto axes = shape.dims().subspan(1, static_cast<std::size_t>(shape.rank() - 2));
        add_units(node, Shape(axes));
      }
    }
  }
  std::string layer_of(const Graph::Node& node) const {
    return graph_.layers[static_cast<std::size_t>(node.layer)];
  }
  void add_units(const Graph::Node& node, const Shape& positions) {
    const Shape& weight = node.op.in(1);
    const std::int64_t places = positions.elements(), width = weight[1] / places;
    NeuronWeights weights{"", layer_of(node), positions.batched(weight[0]), {}, {}};
    for (std::int64_t u = 0; u < weight[0]; ++u) {
      for (std::int64_t p = 0; p < places; ++p) {
        weights.elements.push_back(u * weight[1] + p * width + channel_);
      }
    }
    found.push_back(gathered(model_, node.inputs[1], std::move(weights)));
  }
  void add_filters(const Graph::Node& node) {
    const Shape& weight = node.op.in(1);
    const std::int64_t groups = ops::Conv2d::from(node.op.attributes).groups;
    const std::int64_t filters = weight[0] / groups, first = channel_ / weight[3] * filters;
    NeuronWeights weights{"", layer_of(node), {filters, weight[1], weight[2]}, {}, {}};
    for (std::int64_t k = first; k < first + filters; ++k) {
      for (std::int64_t tap = 0; tap < weight[1] * weight[2]; ++tap) {
        weights.elements.push_back((k * weight[1] * weight[2] + tap) * weight[3] +
                                   channel_ % weight[3]);
      }
    }
    found.push_back(gathered(model_, node.inputs[1], std::move(weights)));
  }

  const Model& model_;
  const Graph& graph_;
  std::size_t layer_;
  std::int64_t channel_;
  std::vector<int> seen_;  // values, by sums of two ways
};

}  // namespace

std::vector<NeuronWeights> NeuronView::incoming() const {
  const std::size_t number = layer_number(*model_, layer_);
  const auto& state = model_->state();
  if (!model_->layer(layer_).weighs()) return recurrent_rows(*model_, number, index_);
  for (const Graph::Node& node : state.probe.nodes) {
    const bool contraction = node.op.id == "linear/1.fwd" || node.op.id == "conv2d/1.fwd";
    if (!contraction || node.layer != static_cast<int>(number)) continue;
    const Shape shape = row_shape(state.probe, node);
    return {row(*model_, node.inputs[1], state.layers[number].inputs[0], shape,
                index_ * shape.elements())};
  }
  return {};
}

std::vector<NeuronWeights> NeuronView::outgoing() const {
  model_->parameters();  // throws while there are none
  const std::size_t number = layer_number(*model_, layer_);
  Followed followed(*model_, number, index_);
  followed.channels_of(model_->state().values[number].id);
  return std::move(followed.found);
}

}  // namespace soma
