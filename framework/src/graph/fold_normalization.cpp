#include <algorithm>
#include <cmath>
#include <optional>

#include "graph/rewrites.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"

namespace soma {
namespace {

std::size_t at(int v) { return static_cast<std::size_t>(v); }

/// Weight and bias that give at once what a contraction and the batch norm behind it give.
struct Folded {
  Tensor weight, bias;
};

/// Nothing where a number would not be finite: the two steps may still give a finite result.
std::optional<Folded> fold(const Tensor& weight, const Tensor* bias, std::span<const float> gamma,
                           std::span<const float> beta, std::span<const float> mean,
                           std::span<const float> variance, double epsilon) {
  const auto channels = static_cast<std::int64_t>(gamma.size());
  Folded folded{weight.clone(), Tensor(Shape{channels})};
  const auto w = folded.weight.as<float>(), b = folded.bias.as<float>();
  const std::size_t taps = w.size() / std::max<std::size_t>(1, gamma.size());
  for (std::size_t c = 0; c < gamma.size(); ++c) {
    const double scale = gamma[c] / std::sqrt(variance[c] + epsilon);
    const double before = bias != nullptr ? bias->as<float>()[c] : 0.0;
    b[c] = static_cast<float>((before - mean[c]) * scale + beta[c]);
    for (float& x : w.subspan(c * taps, taps)) x = static_cast<float>(x * scale);
  }
  const auto finite = [](float x) { return std::isfinite(x); };
  if (!std::ranges::all_of(w, finite) || !std::ranges::all_of(b, finite)) return std::nullopt;
  return folded;
}

class NormalizationFolding {
 public:
  NormalizationFolding(Graph& graph, std::vector<Parameter>& parameters)
      : graph_(graph), parameters_(parameters), uses_(graph.values.size(), 0) {
    for (const Graph::Node& node : graph.nodes) {
      for (const int v : node.inputs) ++uses_[at(v)];
    }
    for (const int v : graph.outputs) ++uses_[at(v)];
  }

  void run(const std::function<bool(const Op&)>& may_change) {
    std::vector<bool> gone(graph_.nodes.size(), false);
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Graph::Node& norm = graph_.nodes[n];
      if (norm.op.id != ops::BatchNorm::kForward || uses_[at(norm.inputs[0])] != 1) continue;
      const auto& x = graph_.values[at(norm.inputs[0])];
      if (x.source != Graph::Source::node || x.view_of >= 0) continue;
      Graph::Node& contraction = graph_.nodes[at(x.index)];
      if (is_plain(contraction) && may_change(contraction.op) && join(contraction, norm)) {
        gone[n] = true;
      }
    }
    std::vector<Graph::Node> rest;
    for (std::size_t n = 0; n < gone.size(); ++n) {
      if (gone[n]) continue;
      for (const int v : graph_.nodes[n].outputs) {
        graph_.values[at(v)].index = static_cast<int>(rest.size());
      }
      rest.push_back(std::move(graph_.nodes[n]));
    }
    graph_.nodes = std::move(rest);
  }

 private:
  /// A contraction of constant weights without more than a bias behind it.
  bool is_plain(const Graph::Node& node) const {
    if (node.op.id != ops::Linear::kForward && node.op.id != ops::Conv2d::kForward) return false;
    const auto epilogue = ops::Epilogue::from(node.op.attributes);
    return epilogue.activation.empty() && !epilogue.residual && parameter(node.inputs[1]) &&
           (!epilogue.bias || parameter(node.inputs[2]));
  }
  const Parameter* parameter(int value) const {
    const auto& info = graph_.values[at(value)];
    return info.source == Graph::Source::parameter ? &parameters_[at(info.index)] : nullptr;
  }

  bool join(Graph::Node& contraction, const Graph::Node& norm) {
    const Parameter* own[4];
    for (std::size_t i = 0; i < 4; ++i) own[i] = parameter(norm.inputs[i + 1]);
    if (std::ranges::count(own, nullptr) > 0) return false;
    const auto epilogue = ops::Epilogue::from(contraction.op.attributes);
    const std::string name = parameter(contraction.inputs[1])->name + " * " + own[0]->name;
    auto known = std::ranges::find(parameters_, name, &Parameter::name);
    if (known == parameters_.end()) {
      const auto floats = [&](std::size_t i) { return own[i]->value.as<float>(); };
      const Tensor* bias = epilogue.bias ? &parameter(contraction.inputs[2])->value : nullptr;
      auto folded = fold(parameter(contraction.inputs[1])->value, bias, floats(0), floats(1),
                         floats(2), floats(3), ops::BatchNorm::from(norm.op.attributes).epsilon);
      if (!folded) return false;
      parameters_.push_back({name, std::move(folded->weight)});
      parameters_.push_back({name + ", bias", std::move(folded->bias)});
      known = parameters_.end() - 2;
    }
    const auto number = static_cast<int>(known - parameters_.begin());
    const int weight = add_parameter(number), bias = add_parameter(number + 1);
    const auto with = [&](auto family) {
      family.epilogue.bias = true;
      contraction.op = family.forward(contraction.op.in(0), contraction.op.in(1), Purpose::infer);
    };
    contraction.op.id == ops::Linear::kForward ? with(ops::Linear::from(contraction.op.attributes))
                                               : with(ops::Conv2d::from(contraction.op.attributes));
    contraction.inputs = {contraction.inputs[0], weight, bias};
    contraction.outputs = {norm.outputs[0]};
    contraction.layer = norm.layer;
    return true;
  }

  int add_parameter(int number) {
    const Tensor& tensor = parameters_[at(number)].value;
    graph_.values.push_back({.info = {DType::f32, tensor.shape()},
                             .source = Graph::Source::parameter,
                             .index = number});
    uses_.push_back(1);
    return static_cast<int>(graph_.values.size()) - 1;
  }

  Graph& graph_;
  std::vector<Parameter>& parameters_;
  std::vector<int> uses_;  // per value
};

}  // namespace

void fold_normalization(Graph& graph, std::vector<Parameter>& parameters,
                        const std::function<bool(const Op&)>& may_change) {
  NormalizationFolding(graph, parameters).run(may_change);
}

}  // namespace soma
