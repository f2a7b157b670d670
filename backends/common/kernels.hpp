#pragma once

#include <memory>
#include <span>

#include "activation.hpp"
#include "parallel.hpp"
#include "soma/sdk/backend.hpp"

namespace soma::common {

/// Prepares the canonical kernel of a float32 op of soma/sdk/ops: class exact, the same bits on any
/// thread count and instruction set (numerics.md), implementation "canonical:avx512" or
/// "canonical:avx2". Execution neither allocates nor locks, apart from scratch that each thread
/// allocates once. `parallel` must outlive the kernel. Throws UnsupportedError for an id or an
/// element type it does not know.
std::unique_ptr<sdk::Kernel> make_canonical_kernel(const Op& op, const Parallel& parallel);

/// The forward of a named activation, in the widest lanes of this CPU.
PointwiseFunction canonical_activation(std::string_view name);

/// Every id that make_canonical_kernel knows.
std::span<const char* const> canonical_op_ids();

}  // namespace soma::common
