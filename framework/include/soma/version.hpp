#pragma once

#include "soma/api.hpp"

namespace soma {

/// Version of the library that is loaded, "0.1.0".
SOMA_API const char* version() noexcept;

}  // namespace soma
