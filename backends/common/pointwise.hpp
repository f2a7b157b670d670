#pragma once

#include <string_view>

#include "gemm.hpp"

namespace soma::common {

/// y[i] = f(x[i]) of the built-in activation relu, sigmoid or tanh; y may be x. Throws
/// UnsupportedError for another name.
PointwiseFunction activation_forward(std::string_view name);

}  // namespace soma::common
