#pragma once

#include "soma/api.hpp"
#include "soma/sdk/op.hpp"

namespace soma {

/// Floating-point operations of one execution: two for each multiply-add of products, convolutions,
/// recurrent steps and attention (hidden pairs count too). 0 for ops whose cost is memory traffic.
SOMA_API double flops(const Op& op);

/// Bytes of all its inputs and outputs: the least that an execution reads and writes.
SOMA_API double bytes_moved(const Op& op);

}  // namespace soma
