#include "bound_tools.hpp"
#include "family.hpp"

namespace soma::conformance {

std::span<const FamilyRules> activation_rules() { return {}; }

}  // namespace soma::conformance
