#pragma once

#include <string>

#include "backend_run.hpp"

namespace soma::bench {

/// The sum of what oneDNN's primitives take for the ops of one training step or prediction, each at
/// the layouts it likes best and without what lies between them: reorders, and the ops that oneDNN
/// has no primitive for (optimizer, embedding, loss, ...). One line of JSON as of a Measured, with
/// "kernels": for each different op "op", "count", "ms" of one (null: no primitive) and
/// "implementation". `seconds` is the time for all of them together, about.
std::string time_raw_model(const std::string& model, Mode mode, std::int64_t batch, double seconds);

}  // namespace soma::bench
