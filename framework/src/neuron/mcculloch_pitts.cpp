#include "soma/neuron/mcculloch_pitts.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "soma/error.hpp"

namespace soma {
namespace {

constexpr std::size_t kMostInputs = 32, kMostTableInputs = 16;

std::int64_t weighted(std::uint32_t inputs, std::uint32_t excitatory, std::uint32_t inhibitory) {
  return std::popcount(inputs & excitatory) - std::popcount(inputs & inhibitory);
}

/// The weights and threshold of a single neuron that computes the function, if there is one. Where
/// one exists, every input that matters has weight +1 if switching it on can only switch the neuron
/// on, and -1 in the opposite case; the other inputs can be left out.
std::optional<McCullochPitts> single_neuron(std::span<const std::uint8_t> table, std::size_t n) {
  std::uint32_t excitatory = 0, inhibitory = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint32_t bit = std::uint32_t{1} << k;
    for (std::uint32_t row = 0; row < table.size(); ++row) {
      if ((row & bit) != 0) continue;
      if (table[row] < table[row | bit]) excitatory |= bit;
      if (table[row] > table[row | bit]) inhibitory |= bit;
    }
  }
  if ((excitatory & inhibitory) != 0) return std::nullopt;
  std::int64_t least_firing = static_cast<std::int64_t>(n) + 1;
  std::int64_t most_silent = -least_firing;
  for (std::uint32_t row = 0; row < table.size(); ++row) {
    const std::int64_t sum = weighted(row, excitatory, inhibitory);
    if (table[row] != 0) {
      least_firing = std::min(least_firing, sum);
    } else {
      most_silent = std::max(most_silent, sum);
    }
  }
  if (least_firing <= most_silent) return std::nullopt;
  std::vector<std::int8_t> weights(n);
  for (std::size_t k = 0; k < n; ++k) {
    weights[k] = static_cast<std::int8_t>((excitatory >> k & 1) - (inhibitory >> k & 1));
  }
  return McCullochPitts(std::move(weights), least_firing);
}

/// The neuron that fires for exactly these inputs: those that are 1 excite, the others inhibit, and
/// the threshold wants all of the former and none of the latter.
McCullochPitts row_detector(std::uint32_t row, std::size_t n) {
  std::vector<std::int8_t> weights(n);
  for (std::size_t k = 0; k < n; ++k) weights[k] = (row >> k & 1) != 0 ? 1 : -1;
  return {std::move(weights), std::popcount(row)};
}

}  // namespace

McCullochPitts::McCullochPitts(std::vector<std::int8_t> weights, std::int64_t threshold,
                               Inhibition inhibition)
    : weights_(std::move(weights)), threshold_(threshold), inhibition_(inhibition) {
  if (weights_.size() > kMostInputs) {
    throw ShapeError("McCulloch-Pitts neuron: expected at most 32 inputs, got " +
                     std::to_string(weights_.size()));
  }
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    if (weights_[k] < -1 || weights_[k] > 1) {
      throw ShapeError("McCulloch-Pitts neuron: weight " + std::to_string(k) +
                       ": expected -1, 0 or 1, got " + std::to_string(weights_[k]));
    }
    const std::uint32_t bit = std::uint32_t{1} << k;
    if (weights_[k] > 0) excitatory_ |= bit;
    if (weights_[k] < 0) inhibitory_ |= bit;
  }
}

bool McCullochPitts::fires(std::uint32_t inputs) const noexcept {
  if (inhibition_ == Inhibition::absolute && (inputs & inhibitory_) != 0) return false;
  return weighted(inputs, excitatory_, inhibitory_) >= threshold_;
}

bool McCullochPitts::fires(std::span<const std::uint8_t> inputs) const {
  if (inputs.size() != weights_.size()) {
    throw ShapeError("McCulloch-Pitts neuron: expected " + std::to_string(weights_.size()) +
                     " inputs, got " + std::to_string(inputs.size()));
  }
  std::uint32_t bits = 0;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (inputs[k] > 1) {
      throw ShapeError("McCulloch-Pitts neuron: input " + std::to_string(k) +
                       ": expected 0 or 1, got " + std::to_string(inputs[k]));
    }
    bits |= std::uint32_t{inputs[k]} << k;
  }
  return fires(bits);
}

McCullochPittsNetwork McCullochPittsNetwork::compile(std::span<const std::uint8_t> table) {
  const auto n = static_cast<std::size_t>(std::bit_width(table.size())) - 1;
  if (table.size() < 2 || !std::has_single_bit(table.size()) || n > kMostTableInputs) {
    throw ShapeError("truth table: expected 2^n entries with n of 1 to 16, got " +
                     std::to_string(table.size()));
  }
  if (std::ranges::any_of(table, [](std::uint8_t entry) { return entry > 1; })) {
    throw ShapeError("truth table: expected entries 0 and 1");
  }
  McCullochPittsNetwork network;
  network.inputs_ = static_cast<std::int64_t>(n);
  if (const auto neuron = single_neuron(table, n)) {
    network.output_weights_.assign(neuron->weights().begin(), neuron->weights().end());
    network.output_threshold_ = neuron->threshold();
    return network;
  }
  const auto ones = static_cast<std::size_t>(std::ranges::count(table, std::uint8_t{1}));
  const bool by_ones = 2 * ones <= table.size();
  for (std::uint32_t row = 0; row < table.size(); ++row) {
    if ((table[row] != 0) == by_ones) network.hidden_.push_back(row_detector(row, n));
  }
  // Or of the detectors: one is enough. Nor: a single one takes the sum below 0.
  network.output_weights_.assign(network.hidden_.size(),
                                 static_cast<std::int8_t>(by_ones ? 1 : -1));
  network.output_threshold_ = by_ones ? 1 : 0;
  return network;
}

bool McCullochPittsNetwork::fires(std::uint32_t inputs) const noexcept {
  std::int64_t sum = 0;
  for (std::size_t k = 0; k < output_weights_.size(); ++k) {
    const bool active = hidden_.empty() ? (inputs >> k & 1) != 0 : hidden_[k].fires(inputs);
    if (active) sum += output_weights_[k];
  }
  return sum >= output_threshold_;
}

}  // namespace soma
