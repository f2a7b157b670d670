#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soma/abi.h"
#include "soma/api.hpp"

namespace soma {

// Letters of this folder: K inputs of a unit, N samples; samples lie one after the other.

/// What a step of learning needs: the derivatives of the loss by everything a neuron has and sees.
struct NeuronGradients {
  std::vector<float> weights;  ///< [K], summed over the samples
  float bias = 0;              ///< summed over the samples
  std::vector<float> inputs;   ///< [N,K]
};

/// One artificial neuron: a weighted sum and a function of it,
///
///   z = sum over k of weights[k] * x[k] + bias,   y = f(z)
///
/// A positive weight excites, a negative one inhibits. The sum is that of Dense on any exact
/// backend, and so are its gradients and its update by plain SGD: fma chains over blocks of 512
/// terms in ascending order, then the bias (numerics.md). Where a size does not fit, a call throws
/// ShapeError.
class SOMA_API Neuron {
 public:
  /// `activation`: "" (the identity), a name of GraphBuilder::activation or one that a plugin
  /// brings. Throws ShapeError for another name and for a neuron without weights.
  Neuron(std::vector<float> weights, float bias, std::string activation = "");
  /// Weights as those of parameter `path` of a Dense layer of one unit with that seed; bias 0.
  static Neuron drawn(std::int64_t inputs, std::string activation, std::uint64_t seed,
                      const std::string& path = "neuron.weight");

  std::int64_t inputs() const noexcept { return static_cast<std::int64_t>(weights_.size()); }
  std::span<const float> weights() const noexcept { return weights_; }
  std::span<float> weights() noexcept { return weights_; }
  float bias() const noexcept { return bias_; }
  void set_bias(float bias) noexcept { bias_ = bias; }
  const std::string& activation() const noexcept { return activation_; }

  /// z of one sample x [K].
  float pre_activation(std::span<const float> x) const;
  /// y of one sample.
  float forward(std::span<const float> x) const;
  /// y [N] of N samples x [N,K].
  void forward(std::span<const float> x, std::span<float> y) const;
  /// Gradients of a loss whose derivatives by y are grad_y [N]; x as in forward. Overwritten.
  void backward(std::span<const float> x, std::span<const float> grad_y, NeuronGradients& to) const;
  /// weights -= learning_rate * gradient, bias alike; one rounding each.
  void update(const NeuronGradients& gradients, float learning_rate);

 private:
  std::vector<float> weights_;
  float bias_;
  std::string activation_;
  // On n elements: y = f(z), and grad_z = f'(z) * grad_y; null for the identity.
  void (*forward_)(const float* z, float* y, std::int64_t n) = nullptr;
  void (*backward_)(const float* z, const float* grad_y, float* grad_z, std::int64_t n) = nullptr;
};

}  // namespace soma
