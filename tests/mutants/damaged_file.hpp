#pragma once

#include <string>

namespace mutants {

/// Writes a copy of the plugin at `from` that is damaged as the mutant `name` says.
void write_damaged(const std::string& name, const std::string& from, const std::string& to);

}  // namespace mutants
