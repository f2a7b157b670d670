#include "soma/neuron/neuron.hpp"

#include <cmath>
#include <string_view>
#include <tuple>
#include <utility>

#include "model/init.hpp"
#include "model/layer_tools.hpp"
#include "neuron/contraction.hpp"
#include "neuron/samples.hpp"
#include "soma/error.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/activation_functions.hpp"

namespace soma {
namespace {

using Forward = void (*)(const float*, float*, std::int64_t);
using Backward = void (*)(const float*, const float*, float*, std::int64_t);

/// Forward and backward of an activation on host memory, with the bits of its op.
std::pair<Forward, Backward> find_activation(const std::string& name) {
  if (ops::is_identity(name)) return {};
  if (ops::find_activation(name) != nullptr) {
    return sdk::visit_activation(name, [](auto function) -> std::pair<Forward, Backward> {
      using Function = decltype(function);
      return {[](const float* z, float* y, std::int64_t n) {
                math::transform(z, y, n, [](auto v) { return Function{}.f(v); });
              },
              [](const float* z, const float* grad_y, float* grad_z, std::int64_t n) {
                math::transform(z, grad_y, grad_z, n, [](auto v, auto g) {
                  return math::activation_gradient(Function{}, v, g);
                });
              }};
    });
  }
  const soma_activation* plugin = find_activation_plugin(name);
  if (name == "prelu" || (plugin != nullptr && plugin->parameter_count > 0)) {
    throw ShapeError("neuron: activation '" + name +
                     "' has learnable numbers, which a single neuron does not keep");
  }
  if (plugin != nullptr) {
    return {plugin->forward_f32, plugin->backward_f32};
  }
  throw ShapeError("neuron: unknown activation '" + name + "'");
}

}  // namespace

Neuron::Neuron(std::vector<float> weights, float bias, std::string activation)
    : weights_(std::move(weights)), bias_(bias), activation_(std::move(activation)) {
  if (weights_.empty()) throw ShapeError("neuron: expected one weight or more, got none");
  std::tie(forward_, backward_) = find_activation(activation_);
}

Neuron Neuron::drawn(std::int64_t inputs, std::string activation, std::uint64_t seed,
                     const std::string& path) {
  if (inputs < 1) throw ShapeError("neuron: expected one input or more");
  std::vector<float> weights(static_cast<std::size_t>(inputs));
  Graph::ParameterInfo parameter;
  parameter.name = path;
  parameter.shape = {1, inputs};
  parameter.init = resolved(Init::automatic, activation);
  parameter.fan_in = inputs;
  parameter.fan_out = 1;
  draw(weights, parameter, seed);
  return {std::move(weights), 0, std::move(activation)};
}

float Neuron::pre_activation(std::span<const float> x) const {
  one_sample("neuron", x, inputs());
  return contraction(x.data(), 1, weights_.data(), 1, inputs()) + bias_;
}

float Neuron::forward(std::span<const float> x) const {
  float y = pre_activation(x);
  if (forward_ != nullptr) forward_(&y, &y, 1);
  return y;
}

void Neuron::forward(std::span<const float> x, std::span<float> y) const {
  const std::int64_t n = samples_of("neuron", x, inputs(), y.size());
  for (std::int64_t i = 0; i < n; ++i) {
    y[static_cast<std::size_t>(i)] = forward(sample(x, inputs(), i));
  }
}

void Neuron::backward(std::span<const float> x, std::span<const float> grad_y,
                      NeuronGradients& to) const {
  const std::int64_t n = samples_of("neuron", x, inputs(), grad_y.size());
  std::vector<float> grad_z(grad_y.begin(), grad_y.end());
  for (std::int64_t i = 0; i < n && backward_ != nullptr; ++i) {
    const float z = pre_activation(sample(x, inputs(), i));
    float& g = grad_z[static_cast<std::size_t>(i)];
    backward_(&z, &g, &g, 1);
  }
  to.weights.resize(weights_.size());
  for (std::int64_t k = 0; k < inputs(); ++k) {
    to.weights[static_cast<std::size_t>(k)] =
        contraction(grad_z.data(), 1, x.data() + k, inputs(), n);
  }
  to.bias = column_sum(grad_z.data(), n);
  to.inputs.resize(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    to.inputs[i] =
        contraction(&grad_z[i / weights_.size()], 1, &weights_[i % weights_.size()], 1, 1);
  }
}

void Neuron::update(const NeuronGradients& gradients, float learning_rate) {
  if (gradients.weights.size() != weights_.size()) {
    throw ShapeError("neuron: expected gradients of " + std::to_string(inputs()) +
                     " weights, got " + std::to_string(gradients.weights.size()));
  }
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    weights_[k] = std::fma(-learning_rate, gradients.weights[k], weights_[k]);
  }
  bias_ = std::fma(-learning_rate, gradients.bias, bias_);
}

}  // namespace soma
