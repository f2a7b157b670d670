#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <vector>

#include "soma/philox.hpp"

namespace lab {

/// Random numbers one after the other, from a stream of their own: (seed, name) decides them all.
class Random {
 public:
  Random(std::uint64_t seed, std::string_view name) : stream_(seed, name) {}

  /// Uniform in [0, 1).
  double uniform() { return stream_.uniform(0, next_++); }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// A whole number in [0, n).
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(uniform() * static_cast<double>(n));
  }
  /// Normal with mean 0 and deviation 1; Box & Muller, Annals of Mathematical Statistics 29 (1958).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  std::vector<float> normals(std::int64_t n, double deviation = 1) {
    std::vector<float> values(static_cast<std::size_t>(n));
    for (float& v : values) v = static_cast<float>(deviation * normal());
    return values;
  }

 private:
  soma::PhiloxStream stream_;
  std::uint32_t next_ = 0;
};

}  // namespace lab
