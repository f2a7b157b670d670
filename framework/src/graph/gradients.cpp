#include "graph/gradients.hpp"

#include <functional>
#include <map>

#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/loss.hpp"
#include "soma/sdk/ops/matmul.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "soma/sdk/ops/pool2d.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma {
namespace {

/// Walks a graph backwards and appends the ops that compute gradients.
class Backward {
 public:
  explicit Backward(Graph& graph)
      : graph_(graph), builder_(graph, Purpose::train), gradient_(graph.values.size(), -1) {
    builder_.set_phase(Graph::Phase::backward);
  }

  std::vector<int> run() {
    const Value one = builder_.leaf(Graph::Source::constant, {DType::f32, {1}}, -1, 0, 1.0f);
    grow();
    gradient_[static_cast<std::size_t>(graph_.loss)] = one.id;
    for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
      if (graph_.nodes[n].phase != Graph::Phase::forward) continue;
      const Graph::Node node = graph_.nodes[n];  // a copy: emitting moves the vector
      if (gradient_[static_cast<std::size_t>(node.outputs[0])] >= 0) differentiate(node);
    }
    std::vector<int> parameters;
    for (const auto& p : graph_.parameters) {
      parameters.push_back(gradient_[static_cast<std::size_t>(p.value)]);
    }
    return parameters;
  }

 private:
  Value at(int id) const { return {id, graph_.shape(id)}; }
  Value in(const Graph::Node& node, std::size_t i) const { return at(node.inputs[i]); }
  bool wanted(int id) const { return graph_.values[static_cast<std::size_t>(id)].needs_gradient; }
  void grow() { gradient_.resize(graph_.values.size(), -1); }

  Value emit(Op op, std::initializer_list<Value> inputs, const Graph::Node& of) {
    Value v = builder_.emit_one(std::move(op), inputs);
    graph_.nodes.back().layer = of.layer;
    grow();
    return v;
  }
  std::vector<Value> emit_all(Op op, std::initializer_list<Value> inputs, const Graph::Node& of) {
    auto v = builder_.emit(std::move(op), std::span(inputs.begin(), inputs.size()));
    graph_.nodes.back().layer = of.layer;
    grow();
    return v;
  }

  /// Adds `g` to what has come so far for value `id`, in the order the walk finds them.
  void give(int id, const Value& g, const Graph::Node& of) {
    if (!wanted(id)) return;
    int& slot = gradient_[static_cast<std::size_t>(id)];
    if (slot < 0) {
      slot = g.id;
      return;
    }
    const Value sum = emit(ops::Add::forward(g.shape, g.shape, Purpose::train), {at(slot), g}, of);
    gradient_[static_cast<std::size_t>(id)] = sum.id;
  }

  /// Gradient before the epilogue: through the fused activation, and to the residual.
  Value through_epilogue(const Graph::Node& node, const ops::Epilogue& epilogue, Value grad) {
    if (epilogue.activation == "relu") {
      grad = emit(ops::Activation{"relu"}.backward(grad.shape), {at(node.outputs[0]), grad}, node);
    } else if (!epilogue.activation.empty()) {
      throw StateError("a fused " + epilogue.activation + " cannot be differentiated");
    }
    if (epilogue.residual) {
      give(node.inputs[static_cast<std::size_t>(epilogue.residual_input())], grad, node);
    }
    return grad;
  }

  template <class Family>
  void contraction(const Graph::Node& node, const Value& grad_output) {
    Family family = Family::from(node.op.attributes);
    const Value x = in(node, 0), w = in(node, 1);
    const Value grad = through_epilogue(node, family.epilogue, grad_output);
    if (wanted(w.id)) {
      const auto grads = emit_all(family.backward_weights(x.shape, w.shape), {x, grad}, node);
      give(w.id, grads[0], node);
      if (family.epilogue.bias) give(node.inputs[2], grads[1], node);
    }
    if (wanted(x.id))
      give(x.id, emit(family.backward_data(x.shape, w.shape), {grad, w}, node), node);
  }

  void differentiate(const Graph::Node& node) {
    const Value grad = at(gradient_[static_cast<std::size_t>(node.outputs[0])]);
    const std::string_view family = node.op.family();
    if (node.op.id == "view") {
      if (!wanted(node.inputs[0])) return;
      const Value back = builder_.reshape(grad, graph_.shape(node.inputs[0]));
      graph_.nodes.back().layer = node.layer;
      grow();
      give(node.inputs[0], back, node);
    } else if (family == "linear/1") {
      contraction<ops::Linear>(node, grad);
    } else if (family == "conv2d/1") {
      contraction<ops::Conv2d>(node, grad);
    } else if (family == "matmul/1") {
      const auto matmul = ops::Matmul::from(node.op.attributes);
      const Value a = in(node, 0), b = in(node, 1);
      if (wanted(a.id))
        give(a.id, emit(matmul.backward_a(a.shape, b.shape), {grad, b}, node), node);
      if (wanted(b.id))
        give(b.id, emit(matmul.backward_b(a.shape, b.shape), {a, grad}, node), node);
    } else if (family == "max_pool2d/1") {
      const auto pool = ops::Pool2d::from(node.op.attributes);
      if (wanted(node.inputs[0])) {
        give(node.inputs[0],
             emit(pool.max_backward(in(node, 0).shape), {grad, at(node.outputs[1])}, node), node);
      }
    } else if (family == "avg_pool2d/1") {
      const auto pool = ops::Pool2d::from(node.op.attributes);
      if (wanted(node.inputs[0])) {
        give(node.inputs[0], emit(pool.avg_backward(in(node, 0).shape), {grad}, node), node);
      }
    } else if (family == "relu/1") {
      // The output serves as well as the input and lets the input's memory go.
      if (wanted(node.inputs[0])) {
        give(node.inputs[0],
             emit(ops::Activation{"relu"}.backward(grad.shape), {at(node.outputs[0]), grad}, node),
             node);
      }
    } else if (family == "sigmoid/1" || family == "tanh/1") {
      const ops::Activation activation{std::string(family.substr(0, family.size() - 2))};
      if (wanted(node.inputs[0])) {
        give(node.inputs[0], emit(activation.backward(grad.shape), {in(node, 0), grad}, node),
             node);
      }
    } else if (family == "activation/1") {
      if (!wanted(node.inputs[0])) return;
      Op op = node.op;
      op.id = "activation/1.bwd";
      op.inputs.push_back(op.inputs[0]);
      const Value g = emit(std::move(op), {in(node, 0), grad}, node);
      graph_.nodes.back().plugin = node.plugin;
      give(node.inputs[0], g, node);
    } else if (family == "add/1") {
      give(node.inputs[0], grad, node);
      give(node.inputs[1], grad, node);
    } else if (family == "softmax/1") {
      if (wanted(node.inputs[0])) {
        give(node.inputs[0],
             emit(ops::Softmax::backward(grad.shape), {at(node.outputs[0]), grad}, node), node);
      }
    } else if (family == "softmax_cross_entropy/1") {
      give(node.inputs[0],
           emit(ops::SoftmaxCrossEntropy::backward(in(node, 0).shape),
                {at(node.outputs[2]), in(node, 1), grad}, node),
           node);
    } else if (family == "mean_squared_error/1") {
      give(node.inputs[0],
           emit(ops::MeanSquaredError::backward(in(node, 0).shape),
                {in(node, 0), in(node, 1), grad}, node),
           node);
    } else {
      throw StateError("op " + node.op.id + " has no gradient");
    }
  }

  Graph& graph_;
  GraphBuilder builder_;
  std::vector<int> gradient_;  // per value, the value of its gradient
};

}  // namespace

void append_loss(Graph& graph, Loss loss, Purpose purpose) {
  GraphBuilder builder(graph, purpose);
  builder.enter_layer("loss");
  const Value output{graph.output, graph.shape(graph.output)};
  if (loss == Loss::softmax_cross_entropy) {
    const Value logits = output;
    const Op op = ops::SoftmaxCrossEntropy::forward(logits.shape, purpose);
    const Value targets = builder.leaf(Graph::Source::targets, op.inputs[1]);
    const auto outputs = builder.emit(op, std::array{logits, targets});
    graph.targets = targets.id;
    graph.loss = outputs[0].id;
    graph.probabilities = outputs[2].id;
    return;
  }
  const Value targets = builder.leaf(Graph::Source::targets, {DType::f32, output.shape});
  graph.targets = targets.id;
  graph.loss =
      builder.emit_one(ops::MeanSquaredError::forward(output.shape, purpose), {output, targets}).id;
}

std::vector<int> append_backward(Graph& graph) { return Backward(graph).run(); }

}  // namespace soma
