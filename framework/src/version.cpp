#include "soma/version.hpp"

namespace soma {

const char* version() noexcept { return SOMA_VERSION; }

}  // namespace soma
