#pragma once

#include <cmath>
#include <string_view>
#include <vector>

#include "soma/conformance/bounds.hpp"

/// What the bounds of all families are made of.
namespace soma::conformance {

inline constexpr double kU = 0x1p-24;      // half an ulp, relative
inline constexpr double kUBf16 = 0x1p-8;   // the same of bfloat16
inline constexpr double kTiny = 0x1p-149;  // smallest positive float32

inline double gamma_n(double n) { return n * kU / (1 - n * kU); }

/// One ulp of float32 at the magnitude of y.
inline double ulp(double y) {
  const double size = std::abs(y);
  if (!(size >= 0x1p-126)) return kTiny;
  return std::isinf(size) ? 0 : std::ldexp(1.0, std::ilogb(size) - 23);
}

/// The elements as float64.
std::vector<double> doubles(const Array& array);

/// Every operand replaced by its absolute values: an op evaluated on them gives the sums of
/// |terms|.
Operands absolute(const Operands& operands);

/// p ulp from the float64 result, within which a backend computes the activation of that name or
/// family; half an ulp more than it promises of the rounded result.
double activation_ulp(std::string_view name);

/// T1 and, on random data, T2 for a sum of `terms` products with `adds` operands added after it
/// (0 on whole numbers: T3). `magnitude` is the sum of |terms|.
double contraction_limit(double terms, int adds, double magnitude, Fill fill);

/// Limits of a softmax over rows of `classes` > 0 logits: 4u * p * (4 + |logit - max|).
void bound_probabilities(const std::vector<double>& logits, std::size_t classes, Expected& e);

}  // namespace soma::conformance
