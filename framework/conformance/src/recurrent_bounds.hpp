#pragma once

#include "bound_tools.hpp"

namespace soma::conformance {

/// Bounds of rnn/1, lstm/1 and gru/1 in both directions: the recurrence once more, in numbers that
/// carry their error (running_error.hpp), with T1 for each sum. Written from the contracts in
/// soma/sdk/ops/recurrent.hpp and independent of the reference's loops: where the float64 values of
/// the two differ, no result passes.
void bound_recurrent(const Oracle& oracle, const Op& op, const Operands& operands, Fill fill,
                     std::vector<Expected>& result);

}  // namespace soma::conformance
