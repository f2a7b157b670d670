#include "certify/judging.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "soma/conformance/compare.hpp"

namespace soma::conformance {

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

Comparison compare(float got, double expected, double bound) {
  const auto rounded = static_cast<float>(expected);
  if (!std::isfinite(rounded) || !std::isfinite(got)) {
    const bool at_the_end = std::isfinite(expected) && std::abs(expected) + bound > 0x1.fffffep127;
    return {at_the_end || class_of(got) == class_of(rounded), 0};
  }
  const double error = std::abs(static_cast<double>(got) - expected);
  return {error <= bound, error / bound};
}

std::string slope_fault(DType type, double size, double slope,
                        const std::function<double(double)>& value) {
  // What is rounded away from the values comes back divided by the step.
  const bool wide = type == DType::f64;
  const double h = (wide ? 1e-3 : 0x1p-5) * std::max(1.0, std::abs(size));
  const double noise = wide ? 1e-9 : 5e-4;
  const auto quotient = [&](double step) {
    return (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (12 * step);
  };
  const double coarse = quotient(h), fine = quotient(h / 2), at = value(0);
  const double bound = 4 * std::abs(coarse - fine) + noise * (1 + std::abs(slope) + std::abs(at));
  if (std::abs(slope - fine) <= bound) return "";
  const double tiny = wide ? 1e-3 * h : h / 4;
  const double left = (at - value(-tiny)) / tiny, right = (value(tiny) - at) / tiny;
  const double room = (1e-4 + 4 * noise) * (1 + std::abs(left) + std::abs(right));
  const bool kink = std::abs(left - right) > room;
  if (kink && slope >= std::min(left, right) - room && slope <= std::max(left, right) + room) {
    return "";
  }
  return "expected the derivative " + number(fine) + " within " + number(bound) + ", found " +
         number(slope);
}

}  // namespace soma::conformance
