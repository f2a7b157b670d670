#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "soma/error.hpp"

namespace soma {

/// Throws ShapeError unless x is one sample of `inputs` numbers.
inline void one_sample(const std::string& who, std::span<const float> x, std::int64_t inputs) {
  if (x.size() != static_cast<std::size_t>(inputs)) {
    throw ShapeError(who + ": expected " + std::to_string(inputs) + " inputs, got " +
                     std::to_string(x.size()));
  }
}

/// The number of samples in x [N, inputs] that come with `answers` values; throws ShapeError if
/// these are not N.
inline std::int64_t samples_of(const std::string& who, std::span<const float> x,
                               std::int64_t inputs, std::size_t answers) {
  if (x.size() != answers * static_cast<std::size_t>(inputs)) {
    throw ShapeError(who + ": expected samples of " + std::to_string(inputs) + " inputs, got " +
                     std::to_string(x.size()) + " numbers for " + std::to_string(answers) +
                     " samples");
  }
  return static_cast<std::int64_t>(answers);
}

/// Sample i of x [N, inputs].
inline std::span<const float> sample(std::span<const float> x, std::int64_t inputs,
                                     std::int64_t i) {
  return x.subspan(static_cast<std::size_t>(i * inputs), static_cast<std::size_t>(inputs));
}

}  // namespace soma
