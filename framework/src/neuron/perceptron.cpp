#include "soma/neuron/perceptron.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "neuron/contraction.hpp"
#include "neuron/samples.hpp"

namespace soma {
namespace {

void check_target(int target) {
  if (target != 1 && target != -1) {
    throw ShapeError("perceptron: target: expected +1 or -1, got " + std::to_string(target));
  }
}

}  // namespace

Perceptron::Perceptron(std::int64_t inputs, float learning_rate)
    : weights_(static_cast<std::size_t>(std::max<std::int64_t>(inputs, 0))),
      learning_rate_(learning_rate) {
  if (inputs < 1) throw ShapeError("perceptron: expected one input or more");
  if (!(learning_rate > 0)) {
    throw ShapeError("perceptron: learning_rate: expected a positive number, got " +
                     std::to_string(learning_rate));
  }
}

int Perceptron::predict(std::span<const float> x) const {
  one_sample("perceptron", x, inputs());
  return contraction(x.data(), 1, weights_.data(), 1, inputs()) + bias_ > 0 ? 1 : -1;
}

bool Perceptron::learn(std::span<const float> x, int target) {
  one_sample("perceptron", x, inputs());
  check_target(target);
  const auto t = static_cast<float>(target);
  // A sum that is no number is on no side: it counts as a mistake.
  if (t * (contraction(x.data(), 1, weights_.data(), 1, inputs()) + bias_) > 0) return false;
  const float step = learning_rate_ * t;
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    weights_[k] = std::fma(step, x[k], weights_[k]);
  }
  bias_ += step;
  ++mistakes_;
  return true;
}

Perceptron::Fit Perceptron::fit(std::span<const float> x, std::span<const int> targets,
                                std::int64_t epochs) {
  const std::int64_t n = samples_of("perceptron", x, inputs(), targets.size());
  std::ranges::for_each(targets, check_target);
  Fit fit;
  std::map<std::vector<float>, std::int64_t> seen;  // weights and bias -> epoch at whose end
  while (fit.epochs < epochs && !fit.separated && fit.cycle_length == 0) {
    std::int64_t mistakes = 0, wrong = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      mistakes += learn(sample(x, inputs(), i), targets[static_cast<std::size_t>(i)]);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      wrong += predict(sample(x, inputs(), i)) != targets[static_cast<std::size_t>(i)];
    }
    ++fit.epochs;
    fit.mistakes += mistakes;
    fit.separated = mistakes == 0;
    if (n > 0) {
      fit.least_error =
          std::min(fit.least_error, static_cast<double>(wrong) / static_cast<double>(n));
    }
    std::vector<float> state = weights_;
    state.push_back(bias_);
    const auto [earlier, is_new] = seen.emplace(std::move(state), fit.epochs);
    if (!is_new && !fit.separated) fit.cycle_length = fit.epochs - earlier->second;
  }
  return fit;
}

double Perceptron::margin(std::span<const float> x, std::span<const int> targets) const {
  const std::int64_t n = samples_of("perceptron", x, inputs(), targets.size());
  double length = double{bias_} * bias_;
  for (const float w : weights_) length += double{w} * w;
  if (length == 0 || n == 0) return 0;
  double least = INFINITY;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = sample(x, inputs(), i);
    double sum = bias_;
    for (std::size_t k = 0; k < row.size(); ++k) sum += double{weights_[k]} * row[k];
    least = std::min(least, targets[static_cast<std::size_t>(i)] * sum);
  }
  return least / std::sqrt(length);
}

}  // namespace soma
