#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "soma/fastest_backend.hpp"

/// What `--backend auto` stands for: the fastest at `step`, by an answer that is kept or else by
/// measuring, if `steps` of them are work enough that it pays; otherwise the first that is ready of
/// onednn, tbb, reference, or for next to no work the one that loads fast. Says on stderr what was
/// measured, and with `tell` also what was not. Throws soma::PluginError.
std::string auto_backend(const soma::Model& model, const soma::StepKind& step, std::int64_t steps,
                         bool tell);

/// A soma::StepTimer that runs each backend in a process of its own, taking turns: about a second
/// in all, more where a single step takes long. A backend whose first steps take several times as
/// long as another's is dropped.
std::vector<soma::BackendTimes> time_steps_in_children(const soma::Model& model,
                                                       const soma::StepKind& step,
                                                       std::span<const std::string> backends);

/// What these processes are: `soma bench --step-child BACKEND`. Reads the question as a line of
/// JSON, answers {"first_ms": ...} or {"unsupported": REASON}, then each number of seconds with
/// {"ms": MEDIAN}.
int run_step_child(std::span<const std::string> args);
