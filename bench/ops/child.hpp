#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cases.hpp"

namespace soma::bench {

/// Runs a program and reads "median least most" from its standard output; nothing if it fails or
/// prints something else.
std::optional<Timing> time_in_child(const std::vector<std::string>& command);

}  // namespace soma::bench
