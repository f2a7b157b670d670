#pragma once

#include "soma/backend.hpp"

namespace soma::conformance {

/// How many different threads ran the pieces of one parallel_for asked for `threads`: every piece
/// holds its thread until all have met or five seconds have passed. 1 for a serial runtime.
int distinct_threads(const Backend& backend, int threads);

}  // namespace soma::conformance
