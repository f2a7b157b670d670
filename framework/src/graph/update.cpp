#include <cmath>

#include "graph/gradients.hpp"
#include "soma/sdk/ops/optimizer.hpp"

namespace soma {
namespace {

/// What the engine needs to know of an optimizer: its op for a weight, its state and its scalars.
struct Rule {
  Op (*step)(const Optimizer&, const Shape&);
  std::vector<std::string> (*slots)(const Optimizer&);
  std::vector<float> (*scalars)(const Optimizer&, std::int64_t);
};

const Rule kSgd = {
    [](const Optimizer& o, const Shape& w) { return ops::Sgd::from(o.options).step(w); },
    [](const Optimizer& o) -> std::vector<std::string> {
      if (o.options.real("momentum", 0) == 0) return {};
      return {"velocity"};
    },
    [](const Optimizer& o, std::int64_t) -> std::vector<float> {
      return {static_cast<float>(o.learning_rate)};
    }};

const Rule kAdam = {
    [](const Optimizer& o, const Shape& w) { return ops::Adam::from(o.options).step(w); },
    [](const Optimizer&) -> std::vector<std::string> {
      return {"m", "v"};
    },
    [](const Optimizer& o, std::int64_t step) -> std::vector<float> {
      const auto adam = ops::Adam::from(o.options);
      const double t = static_cast<double>(step);
      return {static_cast<float>(o.learning_rate / (1 - std::pow(adam.beta1, t))),
              static_cast<float>(1 / (1 - std::pow(adam.beta2, t)))};
    }};

const Rule& rule_of(const Optimizer& optimizer) {
  if (optimizer.type == "sgd") return kSgd;
  if (optimizer.type == "adam") return kAdam;
  throw StateError("optimizer '" + optimizer.type + "' is not known; known are sgd, adam");
}

}  // namespace

std::vector<std::string> optimizer_slots(const Optimizer& optimizer) {
  return rule_of(optimizer).slots(optimizer);
}

std::vector<float> optimizer_scalars(const Optimizer& optimizer, std::int64_t step) {
  return rule_of(optimizer).scalars(optimizer, step);
}

void append_update(Graph& graph, const Optimizer& optimizer, const std::vector<int>& gradients) {
  const Rule& rule = rule_of(optimizer);
  GraphBuilder builder(graph, Purpose::train);
  builder.set_phase(Graph::Phase::update);
  const auto count = static_cast<std::int64_t>(rule.scalars(optimizer, 1).size());
  const Value scalars = builder.leaf(Graph::Source::scalars, {DType::f32, {count}});
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
