#include "bound_tools.hpp"
#include "family.hpp"

namespace soma::conformance {

std::span<const FamilyRules> optimizer_rules() { return {}; }

}  // namespace soma::conformance
