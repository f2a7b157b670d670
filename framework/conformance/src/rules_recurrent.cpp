#include "bound_tools.hpp"
#include "family.hpp"

namespace soma::conformance {

std::span<const FamilyRules> recurrent_rules() { return {}; }

}  // namespace soma::conformance
