#include <algorithm>

#include "graph/rewrites.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/pointwise.hpp"

namespace soma {
namespace {

class EpilogueFusion {
 public:
  EpilogueFusion(Graph& graph, Purpose purpose, const std::function<bool(const Op&)>& takes)
      : graph_(graph),
        takes_(takes),
        builder_(graph, purpose),
        purpose_(purpose),
        uses_(graph.values.size(), 0),
        producer_(graph.values.size(), -1) {
    for (const Graph::Node& node : graph.nodes) {
      for (const int v : node.inputs) ++uses_[at(v)];
    }
    for (const int v : graph.outputs) ++uses_[at(v)];
    for (const auto& penalty : graph.penalties) {
      for (const int v : penalty.of) ++uses_[at(v)];
    }
  }

  void run() {
    std::vector<Graph::Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Graph::Node& node : nodes) {
      if (!fused(node)) keep(std::move(node));
    }
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const int v : graph_.nodes[n].outputs) graph_.values[at(v)].index = static_cast<int>(n);
    }
  }

 private:
  static std::size_t at(int v) { return static_cast<std::size_t>(v); }

  void keep(Graph::Node node) {
    producer_.resize(graph_.values.size(), -1);
    uses_.resize(graph_.values.size(), 1);
    for (const int v : node.outputs) producer_[at(v)] = static_cast<int>(graph_.nodes.size());
    graph_.nodes.push_back(std::move(node));
  }

  /// The node behind `value`, through reshapes, if each value on the way is used once; else -1.
  int only_source(int value) const {
    for (;;) {
      if (uses_[at(value)] != 1 || producer_[at(value)] < 0) return -1;
      const Graph::Node& node = graph_.nodes[at(producer_[at(value)])];
      if (node.op.id != "view") return producer_[at(value)];
      value = node.inputs[0];
    }
  }
  /// The same if it has an epilogue with room for a residual, or for an activation of that name.
  int host(int value, bool residual, std::string_view activation) const {
    const int n = only_source(value);
    if (n < 0) return -1;
    const Graph::Node& node = graph_.nodes[at(n)];
    if (node.outputs[0] != graph_.root(value)) return -1;
    const bool norm = node.op.id == ops::BatchNorm::kForward;
    if (!norm && node.op.id != ops::Linear::kForward && node.op.id != ops::Conv2d::kForward) {
      return -1;
    }
    // Written alike by both.
    const auto epilogue = ops::Epilogue::from(node.op.attributes);
    if (!epilogue.activation.empty() || (residual && epilogue.residual)) return -1;
    return norm && !residual && activation != "relu" ? -1 : n;
  }

  bool fused(const Graph::Node& node) {
    if (node.op.id == ops::Add::kForward) {
      // The later of two: its result is the one in cache.
      const int first = host(node.inputs[0], true, "");
      const int second = host(node.inputs[1], true, "");
      if (node.inputs[0] == node.inputs[1] || std::max(first, second) < 0) return false;
      const bool takes_second = second > first;
      Epilogue more;
      more.residual = node.inputs[takes_second ? 0 : 1];
      return rebuild(takes_second ? second : first, more, node);
    }
    if (!ops::is_activation_family(node.op.family()) || node.op.direction() != "fwd") return false;
    const std::string name = fusible_name(node.op);
    const int source = name.empty() ? -1 : host(node.inputs[0], false, name);
    if (source < 0) return false;
    return rebuild(source, {.residual = -1, .activation = name}, node);
  }

  /// Of the activation as epilogues call it; "" if they do not have it.
  std::string fusible_name(const Op& op) const {
    for (const ops::NamedActivation& row : ops::kNamedActivations) {
      const bool allowed = purpose_ == Purpose::infer ? row.fusible() : row.name == "relu";
      if (!allowed) continue;
      const ops::Activation known = row.make();
      if (known.forward_id() == op.id && known.attributes == op.attributes)
        return std::string(row.name);
    }
    return "";
  }

  struct Epilogue {
    int residual = -1;
    std::string activation = {};
  };

  /// Puts node `n`, with more in its epilogue, in the place of `by`, whose output it computes;
  /// false if the backend refuses it.
  bool rebuild(int n, const Epilogue& more, const Graph::Node& by) {
    const Graph::Node old = graph_.nodes[at(n)];
    const Shape shape = graph_.shape(old.outputs[0]);
    Graph::Node node = old;
    node.op = with(old.op, more);
    if (!takes_(node.op)) return false;
    if (more.residual >= 0) node.inputs.push_back(reshaped(more.residual, shape));
    erase(n);
    const int result = by.outputs[0];
    if (graph_.shape(result) == shape) {
      node.outputs[0] = result;
      keep(std::move(node));
      return true;
    }
    // The result is the same in another shape.
    keep(std::move(node));
    Graph::Node view = by;
    const DType type = DType::f32;
    view.op = {"view", {{type, shape}}, {{type, graph_.shape(result)}}, {}, by.op.purpose};
    view.inputs = {old.outputs[0]};
    graph_.values[at(result)].view_of = old.outputs[0];
    uses_[at(old.outputs[0])] = 1;
    keep(std::move(view));
    return true;
  }

  static Op with(const Op& op, const Epilogue& more) {
    if (op.id == ops::BatchNorm::kForward) {
      auto norm = ops::BatchNorm::from(op.attributes);
      norm.residual |= more.residual >= 0;
      norm.relu = !more.activation.empty();
      return norm.forward(op.in(0), op.purpose);
    }
    const auto contraction = [&](auto family) {
      family.epilogue.residual |= more.residual >= 0;
      family.epilogue.activation = more.activation;
      return family.forward(op.in(0), op.in(1), op.purpose);
    };
    if (op.id == ops::Linear::kForward) return contraction(ops::Linear::from(op.attributes));
    return contraction(ops::Conv2d::from(op.attributes));
  }

  int reshaped(int value, const Shape& shape) {
    const std::size_t nodes = graph_.nodes.size();
    const int view = builder_.reshape({value, graph_.shape(value)}, shape).id;
    if (graph_.nodes.size() == nodes) return value;
    Graph::Node node = std::move(graph_.nodes.back());
    graph_.nodes.pop_back();
    keep(std::move(node));
    return view;
  }

  /// Takes node n away, and the reshapes of its result.
  void erase(int n) {
    std::vector<int> gone = graph_.nodes[at(n)].outputs;
    std::vector<Graph::Node> rest;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      Graph::Node& node = graph_.nodes[i];
      const bool dead = static_cast<int>(i) == n ||
                        (node.op.id == "view" && std::ranges::count(gone, node.inputs[0]) > 0);
      if (!dead) {
        for (const int v : node.outputs) producer_[at(v)] = static_cast<int>(rest.size());
        rest.push_back(std::move(node));
        continue;
      }
      for (const int v : node.outputs) {
        gone.push_back(v);
        producer_[at(v)] = -1;
      }
    }
    graph_.nodes = std::move(rest);
  }

  Graph& graph_;
  const std::function<bool(const Op&)>& takes_;
  GraphBuilder builder_;
  Purpose purpose_;
  std::vector<int> uses_, producer_;  // per value
};

}  // namespace

void fuse_epilogues(Graph& graph, Purpose purpose, const std::function<bool(const Op&)>& takes) {
  EpilogueFusion(graph, purpose, takes).run();
}

}  // namespace soma
