#pragma once

#include <vector>

#include "soma/api.hpp"
#include "soma/sdk/op.hpp"

namespace soma {

/// One example of every op id that the families under soma/sdk/ops/ define, for training, at the
/// sizes of LeNet-5 with a batch of 64; families in the order of a network, forward before
/// backward. What a backend is asked about to tell which ops it supports and how.
SOMA_API std::vector<Op> example_ops();

}  // namespace soma
