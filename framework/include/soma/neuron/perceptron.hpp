#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soma/api.hpp"

namespace soma {

/// Rosenblatt's perceptron: says +1 on one side of a hyperplane and -1 on the other, and learns
/// where it lies from its mistakes. A mistake on a sample x [K] with target t = +1 or -1 is
/// t * (w . x + b) <= 0, and then
///
///   w += learning_rate * t * x,   b += learning_rate * t
///
/// From zero weights, on data that a hyperplane through the origin of the samples (x, 1) separates
/// by the margin gamma, it makes at most (R / gamma)^2 mistakes, R the length of the longest
/// (x, 1); the learning rate does not matter. Sources: Rosenblatt, "The perceptron", Psychological
/// Review 65 (1958); Novikoff, "On convergence proofs on perceptrons" (1962).
class SOMA_API Perceptron {
 public:
  /// Zero weights. Throws ShapeError for no input and a rate that is not positive.
  explicit Perceptron(std::int64_t inputs, float learning_rate = 1);

  std::int64_t inputs() const noexcept { return static_cast<std::int64_t>(weights_.size()); }
  std::span<const float> weights() const noexcept { return weights_; }
  float bias() const noexcept { return bias_; }

  /// +1 if w . x + b > 0, else -1. Throws ShapeError for another number of inputs.
  int predict(std::span<const float> x) const;
  /// One step of the rule; true if it was a mistake. Throws ShapeError for a target other than +1
  /// and -1.
  bool learn(std::span<const float> x, int target);
  /// Mistakes that learn() met so far.
  std::int64_t mistakes() const noexcept { return mistakes_; }

  struct Fit {
    std::int64_t epochs = 0;        ///< passes through the samples that were made
    std::int64_t mistakes = 0;      ///< in all of them
    bool separated = false;         ///< the last pass met no mistake
    std::int64_t cycle_length = 0;  ///< epochs after which the weights of the last came back, 0 if
                                    ///< they never did: on the same samples they will for ever
    double least_error = 1;         ///< the best share of wrong answers after any epoch
  };
  /// Learns the samples x [N,K] with targets [N] in their order, pass by pass, until one has no
  /// mistake, the weights at the end of one are those at the end of an earlier one, or `epochs` are
  /// over.
  Fit fit(std::span<const float> x, std::span<const int> targets, std::int64_t epochs);
  /// The smallest t * (w . x + b) / |(w, b)| over the samples, in float64: gamma, if it is
  /// positive. 0 for zero weights.
  double margin(std::span<const float> x, std::span<const int> targets) const;

 private:
  std::vector<float> weights_;
  float bias_ = 0, learning_rate_;
  std::int64_t mistakes_ = 0;
};

}  // namespace soma
