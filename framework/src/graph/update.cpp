#include <cmath>

#include "graph/gradients.hpp"
#include "soma/sdk/ops/optimizer.hpp"

namespace soma {
namespace {

/// What the engine needs to know of an optimizer: its op for a weight, its state and how many
/// scalars it takes.
struct Rule {
  Op (*step)(const Optimizer&, const Shape&);
  std::vector<std::string> (*slots)(const Optimizer&);
  std::int64_t scalars;
};

const Rule kSgd = {
    [](const Optimizer& o, const Shape& w) { return ops::Sgd::from(o.options).step(w); },
    [](const Optimizer& o) -> std::vector<std::string> {
      if (o.options.real("momentum", 0) == 0) return {};
      return {"velocity"};
    },
    1};

const Rule kAdam = {
    [](const Optimizer& o, const Shape& w) { return ops::Adam::from(o.options).step(w); },
    [](const Optimizer&) -> std::vector<std::string> {
      return {"m", "v"};
    },
    2};

const Rule& rule_of(const Optimizer& optimizer) {
  if (optimizer.type == "sgd") return kSgd;
  if (optimizer.type == "adam") return kAdam;
  throw StateError("optimizer '" + optimizer.type + "' is not known; known are sgd, adam");
}

}  // namespace

std::vector<std::string> optimizer_slots(const Optimizer& optimizer) {
  return rule_of(optimizer).slots(optimizer);
}

UpdateScalars::UpdateScalars(const Optimizer& optimizer)
    : learning_rate_(optimizer.learning_rate), bias_corrected_(&rule_of(optimizer) == &kAdam) {
  if (!bias_corrected_) return;
  const auto adam = ops::Adam::from(optimizer.options);
  beta1_ = adam.beta1;
  beta2_ = adam.beta2;
}

void UpdateScalars::write(std::int64_t step, float* to) const {
  if (!bias_corrected_) {
    to[0] = static_cast<float>(learning_rate_);
    return;
  }
  const double t = static_cast<double>(step);
  to[0] = static_cast<float>(learning_rate_ / (1 - std::pow(beta1_, t)));
  to[1] = static_cast<float>(1 / (1 - std::pow(beta2_, t)));
}

void append_update(Graph& graph, const Optimizer& optimizer, const std::vector<int>& gradients) {
  const Rule& rule = rule_of(optimizer);
  GraphBuilder builder(graph, Purpose::train);
  builder.set_phase(Graph::Phase::update);
  const Value scalars = builder.leaf(Graph::Source::scalars, {DType::f32, {rule.scalars}});
  const int slots = static_cast<int>(rule.slots(optimizer).size());
  for (std::size_t p = 0; p < graph.parameters.size(); ++p) {
    if (gradients[p] < 0) continue;
    const Shape shape = graph.parameters[p].shape;
    std::vector<Value> inputs = {
        {graph.parameters[p].value, shape}, {gradients[p], shape}, scalars};
    for (int slot = 0; slot < slots; ++slot) {
      inputs.push_back(
          builder.leaf(Graph::Source::state, {DType::f32, shape}, static_cast<int>(p), slot));
    }
    const auto outputs = builder.emit(rule.step(optimizer, shape), inputs);
    // The op writes weight and state in place: its outputs are views of what it reads.
    graph.values[static_cast<std::size_t>(outputs[0].id)].view_of = inputs[0].id;
    for (int slot = 0; slot < slots; ++slot) {
      graph.values[static_cast<std::size_t>(outputs[static_cast<std::size_t>(slot + 1)].id)]
          .view_of = inputs[static_cast<std::size_t>(slot + 3)].id;
    }
  }
}

}  // namespace soma
