#pragma once

#include "kernel_base.hpp"

namespace soma::common {

/// The kernel of an op of layer_norm/1 or rms_norm/1.
KernelPtr make_row_norm(const Op& op, const Parallel& parallel);

}  // namespace soma::common
