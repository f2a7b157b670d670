#pragma once

#include "soma/layer.hpp"

namespace soma {

// What codes of autoencoders are made with: noise, and penalties on what a layer gives. A penalty
// is added to what is minimised, in training and evaluation; it is the mean over the samples of a
// batch.

/// Two inputs of one shape, mean and log_variance: in training a draw from the normal distributions
/// that they describe, mean + exp(log_variance / 2) * eps; eps follows from seed, update number and
/// the layer's name (soma/sdk/ops/gaussian_sample.hpp). In inference the mean. Adds `kl` times the
/// Kullback-Leibler divergence of these distributions from the standard normal one,
/// sum (mean^2 + exp(log_variance) - log_variance - 1) / 2 over a sample. Source: Kingma & Welling,
/// arXiv:1312.6114, equation 10.
struct SOMA_API GaussianSample {
  static constexpr std::string_view kType = "gaussian_sample";
  double kl = 1;  // 0 or more
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static GaussianSample from(const Attributes& a);
};

/// In training input + deviation * eps, eps as above; in inference nothing happens.
struct SOMA_API GaussianNoise {
  static constexpr std::string_view kType = "gaussian_noise";
  double deviation = 0.1;  // 0 or more
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static GaussianNoise from(const Attributes& a);
};

/// Gives its input as it is and adds l1 * sum |x| + l2 / 2 * sum x^2 over a sample: with l1, codes
/// in which most units are silent.
struct SOMA_API ActivityPenalty {
  static constexpr std::string_view kType = "activity_penalty";
  double l1 = 0;  // 0 or more
  double l2 = 0;  // 0 or more
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static ActivityPenalty from(const Attributes& a);
};

}  // namespace soma
