#pragma once

#include <optional>
#include <string>
#include <vector>

#include "soma/conformance/case.hpp"
#include "soma/conformance/runner.hpp"

namespace soma::conformance {

/// How a forward op is differentiated by backward ops of its family.
struct Differentiation {
  /// Where an input of a backward op comes from.
  struct Feed {
    enum class From { input, output, cotangent };
    From from = From::cotangent;
    int index = 0;  ///< of the forward op's inputs or outputs
  };
  struct Backward {
    Op op;
    std::vector<Feed> feeds;
    std::vector<int> gradients_of;  ///< forward input that each output is the gradient of
  };
  Op forward;              ///< without fused activation, which has a backward op of its own
  int differentiated = 0;  ///< index of the output that receives the cotangent
  std::vector<Backward> backward;
};

/// Nothing for ops that are not a differentiable forward op for training.
std::optional<Differentiation> differentiation_of(const Op& forward);

/// True if a backward op takes an output of the forward op: state saved from one to the other.
bool saves_state(const Differentiation& d);

/// Operands of the backward op, taken from those of the forward op and its outputs.
Operands backward_operands(const Differentiation& d, std::size_t index, const Operands& forward,
                           const std::vector<Array>& outputs, const Array& cotangent);

/// Compares the oracle's float64 backward ops with 4th-order central differences of
/// L(x) = <w, f(x)>, w random, on a sample of the elements of every differentiated input, and for
/// contractions <Jv, w> with <v, J'w>. Returns the worst error as a share of 1e-8 * max|g|, and why
/// it failed if that is above 1.
/// Source of the stencil: Fornberg, Math. Comp. 51 (1988), table 1.
struct GradientOutcome {
  double share_of_bound = 0;
  std::string message;
};
GradientOutcome check_gradient(const Oracle& oracle, const Case& c, const Differentiation& d,
                               std::uint64_t seed);

}  // namespace soma::conformance
