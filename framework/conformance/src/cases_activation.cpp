#include "case_list.hpp"

namespace soma::conformance {

void add_activation_cases(std::vector<Case>& /*to*/) {}

}  // namespace soma::conformance
