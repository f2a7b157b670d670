#pragma once

#include <functional>
#include <string>

#include "soma/sdk/op.hpp"

namespace soma::conformance {

inline constexpr double kUnit = 0x1p-24;            ///< u of numerics.md
inline constexpr double kSubnormalUnit = 0x1p-149;  ///< what a result below 2^-126 may be off

/// "%.9g"
std::string number(double value);

/// Whether a float32 may stand for a float64 result, and how near it comes.
struct Comparison {
  bool right = true;
  double share = 0;  ///< of the bound
};
/// Not finite in either: the same class, except that a finite result near the end of the range may
/// round to either side of it.
Comparison compare(float got, double expected, double bound);

/// Holds `slope`, said to be the derivative of `value` at offset 0, to 4th-order central
/// differences; at a kink either side's slope will do, and all between them. Returns the slope that
/// was expected and within what, or "" if all is well. `size`: of the place where offset is 0.
std::string slope_fault(DType type, double size, double slope,
                        const std::function<double(double offset)>& value);

}  // namespace soma::conformance
