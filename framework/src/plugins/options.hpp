#pragma once

#include <span>
#include <string>
#include <vector>

#include "soma/abi.h"
#include "soma/sdk/op.hpp"

namespace soma::plugins {

/// The list of options of a plugin's table.
template <class Table>
std::span<const soma_option> options_of(const Table& table) {
  return {table.options, static_cast<std::size_t>(table.option_count)};
}

/// `given` as the plugin understands it: every name known, every number in range and of its kind (a
/// whole number counts as a number), values that equal their default left out. Throws ShapeError
/// "<what>: <name>: expected ..., got ..." or "<what>: unknown field '...'; known are ...".
Attributes checked_options(const std::string& what, std::span<const soma_option> options,
                           const Attributes& given);

/// All values of checked options, defaults included, in the order of the list: what the functions
/// of a plugin take.
class OptionValues {
 public:
  OptionValues() = default;
  OptionValues(std::span<const soma_option> options, const Attributes& checked);
  OptionValues(const OptionValues&) = delete;
  OptionValues& operator=(const OptionValues&) = delete;
  const soma_attribute* data() const noexcept { return values_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<soma_attribute> values_;
};

}  // namespace soma::plugins
