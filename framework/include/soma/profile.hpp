#pragma once

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
};

/// What ran in a step, in order, and how long the whole of it took.
struct StepTimes {
  std::vector<KernelTime> kernels;
  double total_us = 0;
};

SOMA_API const char* name_of(KernelTime::Phase phase) noexcept;

}  // namespace soma
