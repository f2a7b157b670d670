#include "case_list.hpp"

namespace soma::conformance {

void add_structure_cases(std::vector<Case>& /*to*/) {}

}  // namespace soma::conformance
