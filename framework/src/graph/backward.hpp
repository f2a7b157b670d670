#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "graph/gradients.hpp"
#include "soma/graph.hpp"
#include "soma/sdk/ops/epilogue.hpp"

namespace soma {

/// Walks a graph backwards and appends the ops that compute gradients, each by the rule of its op
/// family.
class Backward {
 public:
  explicit Backward(Graph& graph);
  /// See append_backward.
  void run(const BackwardOptions& options);

  // What the rules use.
  Value at(int id) const { return {id, graph_.shape(id)}; }
  Value in(const Graph::Node& node, std::size_t i) const { return at(node.inputs[i]); }
  Value out(const Graph::Node& node, std::size_t i) const { return at(node.outputs[i]); }
  /// True if somebody needs the gradient of this value.
  bool wanted(int id) const { return graph_.values[static_cast<std::size_t>(id)].needs_gradient; }
  /// True if a gradient has come for output i of the node.
  bool arrived(const Graph::Node& node, std::size_t i) const {
    return gradient_[static_cast<std::size_t>(node.outputs[i])] >= 0;
  }
  /// The gradient of output i; zeros if none has come.
  Value grad(const Graph::Node& node, std::size_t i = 0);
  Value zeros(const Shape& shape);
  /// Appends an op to the backward of `of`; its first output, or all.
  Value emit(Op op, std::initializer_list<Value> inputs, const Graph::Node& of);
  std::vector<Value> emit_all(Op op, std::span<const Value> inputs, const Graph::Node& of);
  Value reshape(const Value& v, const Shape& shape, const Graph::Node& of);
  /// Adds `g` to what has come so far for value `id`, in the order the walk finds them; nothing if
  /// it is not wanted.
  void give(int id, const Value& g, const Graph::Node& of);
  /// The node appended last.
  Graph::Node& last_node() { return graph_.nodes.back(); }

 private:
  void grow() { gradient_.resize(graph_.values.size(), -1); }
  /// What the gradient of a loss starts from.
  Value seed(int value, double from, bool share_of_batch);
  void set_apart(const Graph::Node& node, std::span<const int> layers);

  Graph& graph_;
  GraphBuilder builder_;
  int share_ = -1;             // the value of ScalarSet::batch_share
  std::vector<int> gradient_;  // per value, the value of its gradient
};

/// How one op family, as forward ops of that id, is differentiated: gives gradients to the node's
/// wanted inputs, from those of its outputs.
struct GradientRule {
  std::string_view id;  // "conv2d/1.fwd"
  void (*apply)(Backward& backward, const Graph::Node& node);
};

// The rules, in the file of the same name.
std::span<const GradientRule> core_gradients();
std::span<const GradientRule> activation_gradients();  // in core_gradients.cpp
std::span<const GradientRule> structure_gradients();
std::span<const GradientRule> normalization_gradients();
std::span<const GradientRule> recurrent_gradients();
std::span<const GradientRule> attention_gradients();
std::span<const GradientRule> loss_gradients();

}  // namespace soma
