#pragma once

#include <vector>

#include "soma/conformance/runner.hpp"

namespace soma::conformance {

/// What the oracle expects of one output, element by element.
struct Expected {
  bool integral = false;          ///< int32: `value` holds the integers, compared for equality
  bool signed_zeros = false;      ///< the sign counts where `value` is 0
  std::vector<double> value;      ///< float64 result
  std::vector<double> limit;      ///< largest allowed |y - value|
  std::vector<double> magnitude;  ///< the sum with absolute terms; 0 marks a structural zero
};

/// Evaluates `op` in float64 and states how far a float32 result may be from it, by the bounds of
/// framework/docs/numerics.md:
///   contractions   T1 with K = the terms that take part, counted by the oracle on ones, plus one
///                  rounding for each of bias, residual and old value; with Fill::random also T2;
///                  under bf16 numerics T1b and T2b
///   relu, max-pool forward   equality;  add   half an ulp
///   sigmoid, tanh  2.5 and 1.5 ulp (1 from the rounded result), their backward 4 ulp
///   pools          gamma of the window's taps
///   softmax, losses, optimizers   as stated there, momenta with the terms' absolute values
/// The inputs of contractions may hold NaN or Inf: the limit is then meaningless where `value` is
/// not finite, and only the class counts.
std::vector<Expected> expect(const Oracle& oracle, const Op& op, const Operands& operands,
                             Fill fill, Numerics numerics = Numerics::fast);

/// How far `outputs` are from what is expected, over all elements.
struct Deviation {
  double worst_share = 0;  ///< largest |y - value| / limit
  std::string message;     ///< of the first element that breaks its limit or class; empty if none
  std::size_t failures = 0;
  std::size_t output = 0, element = 0;  ///< of that first one
};

/// Each finite expected element inside its limit and each of the expected class; zeros of the
/// expected sign where that is defined: ops that move elements or treat each alone. A result that
/// underflows or overflows float32 within the limit, or whose intermediate sums may overflow
/// (magnitude above FLT_MAX / 4), may be of either class.
Deviation deviation(const std::vector<Array>& outputs, const std::vector<Expected>& expected);

}  // namespace soma::conformance
