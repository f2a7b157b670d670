#include "graph/gradients.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "graph/backward.hpp"
#include "soma/error.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/pointwise.hpp"

namespace soma {
namespace {

const GradientRule& rule_of(const Op& op) {
  static const std::vector<GradientRule> rules = [] {
    std::vector<GradientRule> list;
    for (const auto& family : {core_gradients(), activation_gradients(), structure_gradients(),
                               normalization_gradients(), recurrent_gradients(),
                               attention_gradients(), loss_gradients()}) {
      list.insert(list.end(), family.begin(), family.end());
    }
    return list;
  }();
  const auto it = std::ranges::find(rules, std::string_view(op.id), &GradientRule::id);
  if (it == rules.end()) throw StateError("op " + op.id + " has no gradient");
  return *it;
}

}  // namespace

Backward::Backward(Graph& graph)
    : graph_(graph), builder_(graph, Purpose::train), gradient_(graph.values.size(), -1) {
  builder_.set_phase(Graph::Phase::backward);
}

/// Gives the gradients of those of the node's outputs that the layers give a tensor of their own.
void Backward::set_apart(const Graph::Node& node, std::span<const int> layers) {
  for (const int output : node.outputs) {
    const int gradient = gradient_[static_cast<std::size_t>(output)];
    const bool given = std::ranges::any_of(layers, [&](int layer) {
      return graph_.layer_outputs[static_cast<std::size_t>(layer)] == output;
    });
    if (!given || gradient < 0) continue;
    const Value copy =
        emit(ops::Scale{}.forward(graph_.shape(output), Purpose::train), {at(gradient)}, node);
    gradient_[static_cast<std::size_t>(output)] = copy.id;
  }
}

Value Backward::seed(int value, double from, bool share_of_batch) {
  const TensorInfo one{DType::f32, {1}};
  const Value weight = builder_.leaf(Graph::Source::constant, one, -1, 0, static_cast<float>(from));
  grow();
  if (!share_of_batch) return weight;
  if (share_ < 0) {
    share_ =
        builder_.leaf(Graph::Source::scalars, one, static_cast<int>(ScalarSet::batch_share)).id;
  }
  const auto& info = graph_.values[static_cast<std::size_t>(value)];
  const Graph::Node of = graph_.nodes[static_cast<std::size_t>(info.index)];
  return emit(ops::Multiply::forward(one.shape, one.shape, Purpose::train), {weight, at(share_)},
              of);
}

void Backward::run(const BackwardOptions& options) {
  const auto start = [&](int value, double from) {
    const Value first = seed(value, from, options.share_of_batch);
    gradient_[static_cast<std::size_t>(value)] = first.id;
  };
  for (const Graph::LossInfo& loss : graph_.losses) start(loss.value, loss.weight);
  for (const Graph::PenaltyInfo& penalty : graph_.penalties) start(penalty.value, penalty.weight);
  for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
    if (graph_.nodes[n].phase != Graph::Phase::forward) continue;
    const Graph::Node node = graph_.nodes[n];  // a copy: emitting moves the vector
    const auto has_gradient = [&](int output) {
      return gradient_[static_cast<std::size_t>(output)] >= 0;
    };
    if (!std::ranges::any_of(node.outputs, has_gradient)) continue;
    if (!options.apart.empty()) set_apart(node, options.apart);
    rule_of(node.op).apply(*this, node);
  }
  const auto gradient_of = [&](int value) {
    return value < 0 ? -1 : gradient_[static_cast<std::size_t>(value)];
  };
  graph_.gradients.clear();
  for (std::size_t p = 0; p < graph_.parameters.size(); ++p) {
    const bool frozen = p < options.frozen.size() && options.frozen[p];
    graph_.gradients.push_back(frozen ? -1 : gradient_of(graph_.parameters[p].value));
  }
  graph_.input_gradients.clear();
  for (const int input : graph_.inputs) graph_.input_gradients.push_back(gradient_of(input));
  graph_.output_gradients.clear();
  for (const int output : graph_.layer_outputs) {
    graph_.output_gradients.push_back(gradient_of(output));
  }
}

Value Backward::grad(const Graph::Node& node, std::size_t i) {
  const int id = gradient_[static_cast<std::size_t>(node.outputs[i])];
  return id >= 0 ? at(id) : zeros(graph_.shape(node.outputs[i]));
}

Value Backward::zeros(const Shape& shape) {
  const Value value = builder_.leaf(Graph::Source::constant, {DType::f32, shape}, -1, 0, 0.0f);
  grow();
  return value;
}

Value Backward::emit(Op op, std::initializer_list<Value> inputs, const Graph::Node& of) {
  return emit_all(std::move(op), std::span(inputs.begin(), inputs.size()), of).front();
}

std::vector<Value> Backward::emit_all(Op op, std::span<const Value> inputs, const Graph::Node& of) {
  auto v = builder_.emit(std::move(op), inputs);
  graph_.nodes.back().layer = of.layer;
  grow();
  return v;
}

Value Backward::reshape(const Value& v, const Shape& shape, const Graph::Node& of) {
  const std::size_t nodes = graph_.nodes.size();
  const Value view = builder_.reshape(v, shape);
  if (graph_.nodes.size() > nodes) graph_.nodes.back().layer = of.layer;
  grow();
  return view;
}

void Backward::give(int id, const Value& g, const Graph::Node& of) {
  if (!wanted(id)) return;
  const int before = gradient_[static_cast<std::size_t>(id)];
  const Value sum =
      before < 0 ? g
                 : emit(ops::Add::forward(g.shape, g.shape, Purpose::train), {at(before), g}, of);
  gradient_[static_cast<std::size_t>(id)] = sum.id;
}

void append_backward(Graph& graph, const BackwardOptions& options) { Backward(graph).run(options); }

void freeze_layers(Graph& graph, const std::vector<bool>& frozen) {
  const auto layer_of = [&](std::size_t p) {
    const std::string& name = graph.parameters[p].name;
    return std::string_view(name).substr(0, name.find('.'));
  };
  const auto trains = [&](std::string_view layer) {
    for (std::size_t p = 0; p < graph.parameters.size(); ++p) {
      if (graph.parameters[p].trainable && !frozen[p] && layer_of(p) == layer) return true;
    }
    return false;
  };
  for (std::size_t p = 0; p < graph.parameters.size(); ++p) {
    if (!frozen[p] || trains(layer_of(p))) continue;
    graph.values[static_cast<std::size_t>(graph.parameters[p].value)].needs_gradient = false;
  }
  const auto needs = [&](int v) {
    return graph.values[static_cast<std::size_t>(v)].needs_gradient;
  };
  for (const Graph::Node& node : graph.nodes) {
    const bool wanted = std::ranges::any_of(node.inputs, needs);
    for (const int v : node.outputs) {
      graph.values[static_cast<std::size_t>(v)].needs_gradient = wanted;
    }
  }
}

}  // namespace soma
