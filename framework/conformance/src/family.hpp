#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "numbers.hpp"
#include "slices.hpp"
#include "soma/conformance/bounds.hpp"
#include "soma/conformance/gradient.hpp"

namespace soma::conformance {

/// An element of an int32 input that the op must refuse before it writes anything.
struct BadOperand {
  int input = 0;
  std::size_t element = 0;
  std::int32_t value = 0;
};

/// What the suite knows about one op family; everything but its cases, which are in
/// cases_<file>.cpp. Null: nothing special.
struct FamilyRules {
  using InPlace = std::vector<std::pair<int, int>>;  // {output, input} pairs that share a buffer

  std::string_view family;  ///< "layer_norm/1"
  /// Sets limit and magnitude of every element; they come as 0 and |value|. Null: equality.
  void (*bound)(const Oracle&, const Op&, const Operands&, Fill, std::vector<Expected>&) = nullptr;
  /// Fills an input that has a meaning of its own; false leaves it to the ordinary numbers.
  bool (*fill)(const Case&, std::size_t input, Fill, const Numbers&, Array&) = nullptr;
  /// Backward ops of a forward op for training.
  std::optional<Differentiation> (*differentiate)(const Op& forward) = nullptr;
  /// Buffers that may be shared, by the op's contract; each choice is tried alone.
  std::vector<InPlace> (*in_place)(const Op&) = nullptr;
  /// Which axes of which operands hold one item each, so that an item alone can be compared with
  /// the same item in its batch.
  ItemAxes (*items)(const Op&) = nullptr;
  /// Operands that must be refused.
  std::vector<BadOperand> (*refused)(const Op&) = nullptr;
  /// True for cases whose results may well be mostly zero.
  bool (*mostly_zero)(const Case&) = nullptr;
  /// True for ops whose results on whole numbers in [-4, 4] equal the oracle's.
  bool (*exact_on_integers)(const Op&) = nullptr;
  /// The function has kinks: gradients are taken between separated values.
  bool kinked = false;
};

/// The rules of an op's family; null for the families of the first edition (linear, matmul, conv2d,
/// pools, relu, sigmoid, tanh, add, softmax, sgd, adam),
/// which the checks know themselves.
const FamilyRules* rules_of(const Op& op);

// The rules of each group, in rules_<group>.cpp.
std::span<const FamilyRules> activation_rules();
std::span<const FamilyRules> structure_rules();
std::span<const FamilyRules> normalization_rules();
std::span<const FamilyRules> recurrent_rules();
std::span<const FamilyRules> attention_rules();
std::span<const FamilyRules> loss_rules();
std::span<const FamilyRules> optimizer_rules();

}  // namespace soma::conformance
