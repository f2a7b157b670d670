#include "bound_tools.hpp"
#include "family.hpp"

namespace soma::conformance {

std::span<const FamilyRules> normalization_rules() { return {}; }

}  // namespace soma::conformance
