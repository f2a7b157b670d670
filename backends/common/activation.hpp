#pragma once

#include <string_view>

#include "gemm.hpp"

namespace soma::common {

/// y[i] = f(x[i]) of the named activation (kNamedActivations); y may be x. Throws
/// UnsupportedError for another name.
PointwiseFunction activation_forward(std::string_view name);

}  // namespace soma::common
