#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "program/program.hpp"
#include "soma/error.hpp"

namespace soma {

/// Copies a call's views to where a program reads them and returns n, the number of samples; rows
/// behind them are zeros. Throws ShapeError unless there is one view for each input, of its type
/// and of 1 <= n <= batch samples.
inline std::int64_t fill_inputs(const Program::Instance& instance,
                                std::span<const ModelInput> inputs,
                                std::span<const TensorView> given, std::int64_t batch) {
  if (given.size() != inputs.size()) {
    throw ShapeError("probe: expected " + std::to_string(inputs.size()) + " inputs, got " +
                     std::to_string(given.size()));
  }
  const auto n = static_cast<std::int64_t>(given[0].size()) / inputs[0].shape.elements();
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::int64_t size = inputs[i].shape.elements();
    if (n < 1 || n > batch || given[i].dtype() != inputs[i].type ||
        given[i].size() != static_cast<std::size_t>(n * size)) {
      throw ShapeError("probe: input '" + inputs[i].name + "': expected 1 to " +
                       std::to_string(batch) + " samples " + inputs[i].shape.str() + " of " +
                       name_of(inputs[i].type) + ", got " + std::to_string(given[i].size()) +
                       " numbers of " + name_of(given[i].dtype()));
    }
    std::byte* rest = std::ranges::copy(given[i].bytes(), instance.input(i)).out;
    std::fill_n(rest, static_cast<std::size_t>((batch - n) * size) * 4, std::byte{0});
  }
  return n;
}

}  // namespace soma
