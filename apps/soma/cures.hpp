#pragma once

#include <span>
#include <string>
#include <vector>

#include "run_config.hpp"
#include "soma/diagnosis.hpp"

/// What a cure made of a run.
struct Cured {
  RunConfig config;                  ///< of the run to train, from its first weights
  std::vector<std::string> changes;  ///< "fc1: activation relu -> leaky_relu", ...
};

/// The names of all cures.
std::span<const char* const> cure_names();

/// Changes the model and the training of a run as the cure says: layers that `alarms` are about,
/// those of the same activation for a cure that is one, all of them where there is no alarm. Throws
/// UsageError for an unknown name, and soma::StateError if there is nothing that it could change.
Cured apply_cure(const std::string& cure, const RunConfig& run,
                 std::span<const soma::Alarm> alarms);
