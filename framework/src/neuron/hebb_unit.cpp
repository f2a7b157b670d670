#include "soma/neuron/hebb_unit.hpp"

#include <algorithm>
#include <cmath>

#include "neuron/contraction.hpp"
#include "neuron/samples.hpp"
#include "soma/philox.hpp"

namespace soma {

HebbUnit::HebbUnit(std::int64_t inputs, Rule rule, std::uint64_t seed)
    : weights_(static_cast<std::size_t>(std::max<std::int64_t>(inputs, 0))), rule_(rule) {
  if (inputs < 1) throw ShapeError("Hebb unit: expected one input or more");
  const PhiloxStream stream(seed, "hebb_unit.weight");
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    // In [-1, 1) and never 0, so that the length is not either.
    weights_[k] = 2 * stream.uniform(0, static_cast<std::uint32_t>(k)) - 1 + 0x1p-25f;
  }
  const double scale = 1 / length();
  for (float& w : weights_) w = static_cast<float>(w * scale);
}

double HebbUnit::length() const {
  double sum = 0;
  for (const float w : weights_) sum += double{w} * w;
  return std::sqrt(sum);
}

float HebbUnit::response(std::span<const float> x) const {
  one_sample("Hebb unit", x, inputs());
  return contraction(x.data(), 1, weights_.data(), 1, inputs());
}

float HebbUnit::learn(std::span<const float> x, float learning_rate) {
  const float y = response(x);
  const float step = learning_rate * y;
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    const float direction = rule_ == Rule::oja ? std::fma(-y, weights_[k], x[k]) : x[k];
    weights_[k] = std::fma(step, direction, weights_[k]);
  }
  return y;
}

}  // namespace soma
