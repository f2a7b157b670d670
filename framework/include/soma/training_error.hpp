#pragma once

#include <cstdint>
#include <string>

#include "soma/api.hpp"
#include "soma/error.hpp"
#include "soma/profile.hpp"

namespace soma {

/// A NaN or an infinity that training met.
struct NonFinite {
  std::int64_t step = 0;  ///< the update under way, from 1
  std::string layer;      ///< whose kernel met it; in the update, whose parameter it is
  KernelTime::Phase phase = KernelTime::Phase::forward;
  std::string op;          ///< id of that kernel
  std::string tensor;      ///< see StepTensor
  std::int64_t index = 0;  ///< of the first such element, row-major
  float value = 0;
  bool computed = true;  ///< by that kernel; false: it got the tensor so, as data, weight or state
};

/// Training cannot go on as it is. What the trainer holds then: see NonFiniteError, LossSpikeError.
class SOMA_API TrainingError : public Error {
 public:
  using Error::Error;
};

/// Thrown by the step that met it. Where it arose before the update (`where().phase`), weights,
/// state and counters are as they were before the step (running statistics: before the batch); in
/// the update, weights or state have it and a checkpoint must be loaded before training goes on.
class SOMA_API NonFiniteError : public TrainingError {
 public:
  explicit NonFiniteError(NonFinite where);
  const NonFinite& where() const noexcept { return where_; }

 private:
  NonFinite where_;
};

/// Thrown after the update whose loss was far above those before it.
class SOMA_API LossSpikeError : public TrainingError {
 public:
  LossSpikeError(std::int64_t step, double loss, double usual);
};

}  // namespace soma
