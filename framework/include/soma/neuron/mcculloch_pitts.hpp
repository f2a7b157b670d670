#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soma/api.hpp"

namespace soma {

/// The neuron of 1943: inputs are 0 or 1, weights are +1 (excitatory), -1 (inhibitory) or 0 (not
/// connected), and it fires, giving 1, if and only if the sum of weight * input reaches the
/// threshold. It has no rule by which it learns.
/// Source: McCulloch & Pitts, "A logical calculus of the ideas immanent in nervous activity",
/// Bulletin of Mathematical Biophysics 5 (1943); there one active inhibitory input vetoes.
class SOMA_API McCullochPitts {
 public:
  enum class Inhibition {
    relative,  ///< an inhibitory input takes 1 from the sum
    absolute   ///< an active inhibitory input keeps the neuron silent, whatever the sum
  };

  /// Throws ShapeError for a weight other than -1, 0, 1 and for more than 32 inputs.
  McCullochPitts(std::vector<std::int8_t> weights, std::int64_t threshold,
                 Inhibition inhibition = Inhibition::relative);

  std::int64_t inputs() const noexcept { return static_cast<std::int64_t>(weights_.size()); }
  std::span<const std::int8_t> weights() const noexcept { return weights_; }
  std::int64_t threshold() const noexcept { return threshold_; }

  /// Inputs as 0 and 1, one a weight. Throws ShapeError for another number of them or another
  /// value.
  bool fires(std::span<const std::uint8_t> inputs) const;
  /// Inputs as bits, input k in bit k; higher bits are ignored.
  bool fires(std::uint32_t inputs) const noexcept;

 private:
  std::vector<std::int8_t> weights_;
  std::int64_t threshold_;
  Inhibition inhibition_;
  std::uint32_t excitatory_ = 0, inhibitory_ = 0;  // the inputs with weight +1 and -1
};

/// McCulloch-Pitts neurons in at most two layers: hidden neurons that see the inputs, and one that
/// sees these, or the inputs themselves where there is no hidden one.
class SOMA_API McCullochPittsNetwork {
 public:
  /// A network for any Boolean function of n inputs, 1 <= n <= 16. `truth_table` has 2^n entries, 0
  /// or 1; entry i is the answer for the inputs in the bits of i. Where a single neuron computes
  /// the function, the network is that neuron. Otherwise one hidden neuron stands for each row of
  /// the table that says 1, or that says 0 if these are fewer, and fires for that row alone: at
  /// most 2^(n-1). Throws ShapeError for a table of another size or another entry.
  static McCullochPittsNetwork compile(std::span<const std::uint8_t> truth_table);

  bool fires(std::uint32_t inputs) const noexcept;

  std::int64_t inputs() const noexcept { return inputs_; }
  const std::vector<McCullochPitts>& hidden() const noexcept { return hidden_; }
  /// Sees the hidden neurons; the inputs, if there are none.
  const std::vector<std::int8_t>& output_weights() const noexcept { return output_weights_; }
  std::int64_t output_threshold() const noexcept { return output_threshold_; }

 private:
  std::int64_t inputs_ = 0;
  std::vector<McCullochPitts> hidden_;
  std::vector<std::int8_t> output_weights_;
  std::int64_t output_threshold_ = 0;
};

}  // namespace soma
