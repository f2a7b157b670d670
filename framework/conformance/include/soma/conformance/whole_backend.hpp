#pragma once

#include <string>

#include "soma/backend.hpp"

namespace soma::conformance {

// What is asked of a backend as a whole, beyond its ops. Each returns a sentence about what is
// wrong; empty if nothing is.

/// Every op id that exists and is declared takes a part of its cases at least.
std::string fault_in_declared_ops(const Backend& backend);
/// An op that does not exist is refused by supports, with a reason, and by prepare.
std::string fault_in_refusal(const Backend& backend);
/// parallel_for covers every index of a loop once, for many lengths, grains and thread counts.
std::string fault_in_loop_coverage(const Backend& backend);
/// The number of threads is what it is told, up and down again.
std::string fault_in_thread_count(const Backend& backend);
/// Contexts are opened and closed many times, also while others are open and from two threads; what
/// is kept then is a leak.
std::string fault_in_opening(const std::string& name, Numerics numerics);

}  // namespace soma::conformance
