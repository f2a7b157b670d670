#include <cmath>

#include "soma/sdk/ops/adaptive_optimizer.hpp"
#include "soma/sdk/ops/loss.hpp"
#include "soma/sdk/ops/optimizer.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "translation.hpp"

namespace soma::onnx_tests {
namespace {

/// ONNX adds norm_coefficient * weight to the gradient: the product's weight_decay.
double decay_of(const Node& node) { return node.real("norm_coefficient", 0); }

Tensor scalars(std::initializer_list<double> values) {
  std::vector<float> list;
  for (const double v : values) list.push_back(static_cast<float>(v));
  const auto n = static_cast<std::int64_t>(list.size());
  return Tensor::floats({n}, std::move(list));
}

/// Inputs R, T, weights, gradients, then each kind of state; outputs weights and states.
struct Slots {
  double rate;
  std::int64_t step;
  std::size_t tensors;
  const Node& node;
  Slots(const Node& n, std::size_t states)
      : rate(n.in(0).f.at(0)),
        step(n.in(1).i.at(0)),
        tensors((n.inputs.size() - 2) / (2 + states)),
        node(n) {}
  const Tensor& at(std::size_t kind, std::size_t k) const {
    return node.in(2 + kind * tensors + k);
  }
};

/// Runs `step` for each weight and sorts the results by kind.
template <class Step>
std::vector<Tensor> for_each_weight(const Slots& slots, std::size_t states, Step&& step) {
  std::vector<std::vector<Tensor>> kinds(1 + states);
  for (std::size_t k = 0; k < slots.tensors; ++k) {
    const std::vector<Tensor> results = step(k);
    for (std::size_t kind = 0; kind <= states; ++kind) kinds[kind].push_back(results[kind]);
  }
  std::vector<Tensor> all;
  for (const auto& kind : kinds) all.insert(all.end(), kind.begin(), kind.end());
  return all;
}

std::vector<Tensor> adagrad(const Machine& machine, const Node& node) {
  const Slots slots(node, 1);
  const ops::Adagrad op{.epsilon = node.real("epsilon", 0), .weight_decay = decay_of(node)};
  const double rate =
      slots.rate / (1 + static_cast<double>(slots.step) * node.real("decay_factor", 0));
  return for_each_weight(slots, 1, [&](std::size_t k) {
    return machine.run(op.step(shape_of(slots.at(0, k))),
                       {slots.at(0, k), slots.at(1, k), scalars({rate}), slots.at(2, k)});
  });
}

/// Bias correction from the second update on, as ONNX has it; epsilon outside the root.
std::vector<Tensor> adam(const Machine& machine, const Node& node) {
  const Slots slots(node, 2);
  const double alpha = node.real("alpha", 0.9f), beta = node.real("beta", 0.999f);
  const ops::Adam op{.beta1 = alpha,
                     .beta2 = beta,
                     .epsilon = node.real("epsilon", 0),
                     .weight_decay = decay_of(node)};
  double rate = slots.rate;
  if (slots.step > 0) {
    const auto t = static_cast<double>(slots.step);
    rate *= std::sqrt(1 - std::pow(beta, t)) / (1 - std::pow(alpha, t));
  }
  return for_each_weight(slots, 2, [&](std::size_t k) {
    return machine.run(
        op.step(shape_of(slots.at(0, k))),
        {slots.at(0, k), slots.at(1, k), scalars({rate, 1}), slots.at(2, k), slots.at(3, k)});
  });
}

std::vector<Tensor> momentum(const Machine& machine, const Node& node) {
  const Slots slots(node, 1);
  // Damping is 1 - beta from the second update on.
  if (node.real("beta", 1) != 1 && slots.step > 0) throw NotHere("damped momentum");
  const ops::Sgd op{.momentum = node.real("alpha", 0),
                    .weight_decay = decay_of(node),
                    .nesterov = node.text("mode", "standard") == "nesterov"};
  return for_each_weight(slots, 1, [&](std::size_t k) {
    return machine.run(op.step(shape_of(slots.at(0, k))),
                       {slots.at(0, k), slots.at(1, k), scalars({slots.rate}), slots.at(2, k)});
  });
}

std::vector<Tensor> cross_entropy(const Machine& machine, const Node& node) {
  const Tensor logits = node.in(0).channels_last();
  ops::SoftmaxCrossEntropy op;
  op.class_weights = node.has(2);
  if (node.integers.contains("ignore_index")) op.ignore_index = node.integer("ignore_index", 0);
  const std::string reduction = node.text("reduction", "mean");
  if (reduction == "sum") op.reduction = ops::Reduction::sum;
  std::vector<Tensor> inputs{logits, node.in(1)};
  if (op.class_weights) inputs.push_back(node.in(2));
  const auto y = machine.run(op.forward(shape_of(logits), Purpose::infer), inputs);
  Tensor loss = reduction == "none" ? y[1] : y[0].reshaped({});
  const Op log_softmax = ops::Activation{"log"}.forward(shape_of(y[2]), Purpose::infer);
  return {loss, machine(log_softmax, {y[2]}).channels_first()};
}

}  // namespace

std::span<const Translator> training_translators() {
  static constexpr Translator kAll[] = {{"Adagrad", &adagrad},
                                        {"Adam", &adam},
                                        {"Momentum", &momentum},
                                        {"SoftmaxCrossEntropyLoss", &cross_entropy}};
  return kAll;
}

}  // namespace soma::onnx_tests
