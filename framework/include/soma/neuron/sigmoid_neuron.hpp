#pragma once

#include <cstdint>
#include <span>

#include "soma/neuron/neuron.hpp"

namespace soma {

/// The logistic unit: a neuron whose output is the probability of class 1,
///
///   p = sigmoid(w . x + b) = P(class 1 | x)
///
/// Unlike a threshold it has a slope everywhere, so it learns by gradient descent. Targets are
/// probabilities in [0, 1]; 0 and 1 for known classes. Where a size does not fit, a call throws
/// ShapeError. Source: Cox, "The regression analysis of binary sequences", Journal of the Royal
/// Statistical Society B 20 (1958).
class SOMA_API SigmoidNeuron {
 public:
  /// What one sample's error is, and so how its step weighs it.
  enum class Error {
    cross_entropy,  ///< -t log p - (1 - t) log(1 - p); step (t - p) x, the delta rule of logistic
                    ///< regression
    squared         ///< (t - p)^2 / 2; step (t - p) p (1 - p) x: Widrow & Hoff's rule for a sigmoid
  };

  /// Zero weights: p = 1/2 everywhere. Throws ShapeError for no input.
  explicit SigmoidNeuron(std::int64_t inputs, Error error = Error::cross_entropy);

  const Neuron& neuron() const noexcept { return neuron_; }
  Neuron& neuron() noexcept { return neuron_; }

  float probability(std::span<const float> x) const { return neuron_.forward(x); }
  /// The error on one sample, in float64 from z, so that it stays finite.
  double error(std::span<const float> x, float target) const;
  /// One step of gradient descent on one sample; returns its error before. Throws ShapeError for a
  /// target outside [0, 1].
  double learn(std::span<const float> x, float target, float learning_rate);
  /// `epochs` steps of gradient descent, each on the mean error of the samples x [N,K] with targets
  /// [N], N > 0. Returns the mean error after the last.
  double fit(std::span<const float> x, std::span<const float> targets, float learning_rate,
             std::int64_t epochs);

 private:
  /// d error / d z at one sample.
  float slope(float p, float target) const;

  Neuron neuron_;
  Error error_;
};

}  // namespace soma
