#pragma once

#include <array>
#include <cmath>
#include <span>

namespace lab {

/// The mean of measurements, with Student's two-sided 95 % interval.
struct Interval {
  double mean = 0, half = 0;
  double low() const { return mean - half; }
  double high() const { return mean + half; }
};

/// Of 2 to 20 measurements.
inline Interval interval_95(std::span<const double> values) {
  // Quantiles of Student's t at 0.975, for 1 to 19 degrees of freedom.
  constexpr std::array kStudent{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
                                2.306,  2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
                                2.131,  2.120, 2.110, 2.101, 2.093};
  const auto n = static_cast<double>(values.size());
  Interval result;
  for (const double v : values) result.mean += v / n;
  double variance = 0;
  for (const double v : values) variance += (v - result.mean) * (v - result.mean) / (n - 1);
  result.half = kStudent.at(values.size() - 2) * std::sqrt(variance / n);
  return result;
}

}  // namespace lab
