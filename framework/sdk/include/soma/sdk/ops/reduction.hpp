#pragma once

#include <string>

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// What a loss makes of its items: their sum, or the sum over its divisor, which each loss names.
/// Attribute "reduction" = "sum"; absent for the mean.
enum class Reduction { mean, sum };

inline void write_reduction(Attributes& to, Reduction reduction) {
  if (reduction == Reduction::sum) to.set("reduction", std::string("sum"));
}

/// Throws ShapeError for anything but "mean" and "sum".
inline Reduction reduction_from(const Attributes& a) {
  const std::string name = a.text("reduction", "mean");
  if (name != "mean" && name != "sum") {
    throw ShapeError("reduction: expected \"mean\" or \"sum\", got \"" + name + "\"");
  }
  return name == "sum" ? Reduction::sum : Reduction::mean;
}

}  // namespace soma::ops
