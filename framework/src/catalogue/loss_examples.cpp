#include "catalogue/catalogue.hpp"

namespace soma {

std::vector<Op> loss_examples() { return {}; }

}  // namespace soma
