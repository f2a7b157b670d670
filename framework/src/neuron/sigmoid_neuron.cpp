#include "soma/neuron/sigmoid_neuron.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "neuron/contraction.hpp"
#include "neuron/samples.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma {
namespace {

std::vector<float> zeros(std::int64_t inputs) {
  if (inputs < 1) throw ShapeError("sigmoid neuron: expected one input or more");
  return std::vector<float>(static_cast<std::size_t>(inputs));
}

void check_target(float target) {
  if (!(target >= 0 && target <= 1)) {
    throw ShapeError("sigmoid neuron: target: expected a probability, got " +
                     std::to_string(target));
  }
}

}  // namespace

SigmoidNeuron::SigmoidNeuron(std::int64_t inputs, Error error)
    : neuron_(zeros(inputs), 0, "sigmoid"), error_(error) {}

double SigmoidNeuron::error(std::span<const float> x, float target) const {
  check_target(target);
  const double z = neuron_.pre_activation(x), t = target;
  if (error_ == Error::cross_entropy) {
    // log(1 + e^z) - t z, without overflow
    return std::max(z, 0.0) + math::log1p(math::exp(-std::fabs(z))) - t * z;
  }
  const double p = math::sigmoid(z);
  return (t - p) * (t - p) / 2;
}

float SigmoidNeuron::slope(float p, float target) const {
  const float difference = p - target;
  return error_ == Error::cross_entropy ? difference : difference * (p * (1 - p));
}

double SigmoidNeuron::learn(std::span<const float> x, float target, float learning_rate) {
  const double before = error(x, target);
  NeuronGradients step;
  const float g = slope(probability(x), target);
  for (const float value : x) step.weights.push_back(g * value);
  step.bias = g;
  neuron_.update(step, learning_rate);
  return before;
}

double SigmoidNeuron::fit(std::span<const float> x, std::span<const float> targets,
                          float learning_rate, std::int64_t epochs) {
  const std::int64_t k = neuron_.inputs();
  const std::int64_t n = samples_of("sigmoid neuron", x, k, targets.size());
  if (n == 0) throw ShapeError("sigmoid neuron: expected one sample or more");
  for (const float target : targets) check_target(target);
  std::vector<float> g(targets.size());
  NeuronGradients step;
  step.weights.resize(static_cast<std::size_t>(k));
  const float scale = 1 / static_cast<float>(n);
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    neuron_.forward(x, g);
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = slope(g[i], targets[i]) * scale;
    for (std::int64_t i = 0; i < k; ++i) {
      step.weights[static_cast<std::size_t>(i)] = contraction(g.data(), 1, x.data() + i, k, n);
    }
    step.bias = column_sum(g.data(), n);
    neuron_.update(step, learning_rate);
  }
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    sum += error(sample(x, k, i), targets[static_cast<std::size_t>(i)]);
  }
  return sum / static_cast<double>(n);
}

}  // namespace soma
