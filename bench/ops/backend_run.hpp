#pragma once

#include "cases.hpp"
#include "timing.hpp"

namespace soma::bench {

/// Times a case on a backend. Operands are those of the conformance suite (targets are classes,
/// argmax points into its window, ...), the same for every backend; weights are packed once, as
/// between two updates. Throws what prepare and execute throw.
Measured time_ops(const Case& c, const Backend& backend, int threads, double seconds);

/// What is timed of a model: one update on a batch (see workload.hpp), or one prediction.
enum class Mode { train, infer };
const char* name_of(Mode mode) noexcept;

/// `model` is a built-in name or a JSON file.
Measured time_model(const std::string& model, Mode mode, std::int64_t batch, const Backend& backend,
                    int threads, double seconds);

}  // namespace soma::bench
