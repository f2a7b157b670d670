#include "catalogue/catalogue.hpp"

namespace soma {

std::vector<Op> structure_examples() { return {}; }

}  // namespace soma
