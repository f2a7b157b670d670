#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "soma/backend.hpp"

namespace soma::conformance {

/// One hash per op id over the outputs of all its cases under every fill, and what went wrong
/// instead ("error: ..." hashed like a result). Equal digests mean equal bits.
std::map<std::string, std::uint64_t> digest(const Backend& backend, std::uint64_t seed,
                                            int threads);

}  // namespace soma::conformance
