#pragma once

#include <string>

#include "soma/optimizer.hpp"

namespace soma::bench {

/// A model of the suite that is no built-in one: 16-32-32-1, tanh.
inline constexpr const char* kTinyModel = "tanh-mlp";

/// How a model is timed, unless the user says otherwise.
struct Workload {
  std::int64_t batch = 32;
  Optimizer optimizer = Adam{};
};
/// Of a built-in model as its peers train it; of any other, batch 32 and Adam.
Workload workload_of(const std::string& model);

}  // namespace soma::bench
