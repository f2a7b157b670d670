#pragma once

#include <cstddef>

#include "soma/backend.hpp"
#include "soma/model.hpp"
#include "soma/optimizer.hpp"

namespace soma {

/// The memory of a compiled step, in bytes.
struct MemoryPlan {
  std::size_t planned = 0;  ///< activations, gradients and workspaces
  /// What is alive at the kernel where most is: no plan for these lifetimes can do with less.
  std::size_t ideal = 0;
  std::size_t packs = 0;  ///< weights in the layouts of kernels, beside the plan
};

/// Of a training step with that optimizer and otherwise the default options of a Trainer. Compiles
/// the step to find out.
SOMA_API MemoryPlan training_memory(const Model& model, const Backend& backend, std::int64_t batch,
                                    const Optimizer& optimizer = Sgd{});

}  // namespace soma
