#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "soma/api.hpp"
#include "soma/sdk/op.hpp"

namespace soma {

/// One kernel that ran, or one pack of weights that was made, in a timed step.
struct KernelTime {
  enum class Phase { forward, backward, update };
  std::string layer;  ///< whose work it is; "optimizer" for the update
  Op op;
  std::string implementation;
  Phase phase = Phase::forward;
  bool pack = false;    ///< weights brought into the kernel's own layout
  double begin_us = 0;  ///< since the step began
  double duration_us = 0;
  double flops = 0, bytes = 0;  ///< see soma/op_cost.hpp; 0 for a pack
  /// On the heap, meanwhile, by anyone in this process; -1: nobody counts.
  std::int64_t allocations = -1;
};

/// What ran in a step, in order, and how long the whole of it took.
struct StepTimes {
  std::vector<KernelTime> kernels;
  double total_us = 0;
  std::int64_t allocations = -1;  ///< the whole of it, what lies between kernels included
};

/// Heap allocations of this process so far. A program that replaces malloc can tell; timed steps
/// then ask. Null stops that.
using AllocationCounter = std::int64_t (*)() noexcept;
SOMA_API void set_allocation_counter(AllocationCounter counter) noexcept;

/// Memory of a compiled step.
struct StepMemory {
  std::size_t arena_bytes = 0;  ///< activations, gradients and workspaces, as laid out
  std::size_t ideal_bytes = 0;  ///< the most of these that is needed at any one time: no layout
                                ///< with the same lifetimes takes less
  std::size_t pack_bytes = 0;   ///< weights in the kernels' own layouts
};

SOMA_API const char* name_of(KernelTime::Phase phase) noexcept;

}  // namespace soma
