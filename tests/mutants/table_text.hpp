#pragma once

#include <string>

namespace mutants {

/// framework/docs/mutants.md, whole.
std::string table_text();

}  // namespace mutants
