#include "case_list.hpp"

namespace soma::conformance {

void add_normalization_cases(std::vector<Case>& /*to*/) {}

}  // namespace soma::conformance
