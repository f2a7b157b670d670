#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soma/api.hpp"

namespace soma {

/// A linear unit y = w . x that learns without targets: what fires together wires together.
///
///   hebb  w += rate * y * x            the weights grow without bound
///   oja   w += rate * y * (x - y * w)  |w| tends to 1 and w to the first principal component of
///                                      centred inputs, up to its sign, for small rates
///
/// Sources: Hebb, The Organization of Behavior (1949); Oja, "A simplified neuron model as a
/// principal component analyzer", Journal of Mathematical Biology 15 (1982).
class SOMA_API HebbUnit {
 public:
  enum class Rule { hebb, oja };

  /// Weights drawn from `seed`, of length 1. Throws ShapeError for no input.
  HebbUnit(std::int64_t inputs, Rule rule, std::uint64_t seed = 1);

  std::int64_t inputs() const noexcept { return static_cast<std::int64_t>(weights_.size()); }
  std::span<const float> weights() const noexcept { return weights_; }
  double length() const;  ///< |w|

  /// y of one sample x [K]. Throws ShapeError for another number of inputs.
  float response(std::span<const float> x) const;
  /// One step of the rule; returns y before it.
  float learn(std::span<const float> x, float learning_rate);

 private:
  std::vector<float> weights_;
  Rule rule_;
};

}  // namespace soma
