#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "soma/random_step.hpp"

namespace soma {

/// Which backend takes a model's step in the least time, and which comes next.
struct BackendChoice {
  std::string backend;
  double step_ms = 0;
  std::string runner_up;  ///< "" if no other can take the step
  double margin = 0;      ///< the runner-up's time over the backend's, less 1
  bool measured = true;   ///< now; false: earlier, and kept
};

/// How long steps took on one backend: a figure for each round, at the same place for every
/// backend, so that ratios can be taken round by round.
struct BackendTimes {
  std::string backend;
  std::vector<double> ms;  ///< empty: it cannot take the step, or is several times slower
};

/// Floating-point operations of a step, about: forward multiply-adds as two, three times that in
/// training.
SOMA_API double step_flops(const Model& model, const StepKind& kind);

/// Times steps of a model on backends.
using StepTimer = std::function<std::vector<BackendTimes>(const Model&, const StepKind&,
                                                          std::span<const std::string> backends)>;

/// The StepTimer for want of a better one: in this process, about a second in all, backends taking
/// turns. What they load stays loaded, and their threads may disturb each other: a program of its
/// own for each backend, as the command soma starts them, measures better.
SOMA_API std::vector<BackendTimes> time_steps_here(const Model& model, const StepKind& kind,
                                                   std::span<const std::string> backends);

/// The backend for soma::backend() that is the fastest at this step on this machine. The answer is
/// kept in $XDG_CACHE_HOME/soma/fastest (or ~/.cache/soma/fastest) and holds for the same
/// architecture, StepKind, CPU, version of Soma and content of every plugin file found, for 30
/// days. Where none is kept, `timer` measures on every backend that is ready. A backend that runs
/// serially is left out where a step has more than 10^8 floating-point operations. Throws
/// PluginError if no backend can take the step.
SOMA_API BackendChoice fastest_backend(const Model& model, const StepKind& kind,
                                       const StepTimer& timer = time_steps_here);
/// The answer that is kept; nothing is loaded or measured.
SOMA_API std::optional<BackendChoice> recall_fastest_backend(const Model& model,
                                                             const StepKind& kind);

}  // namespace soma
