#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "soma/backend.hpp"
#include "soma/model.hpp"
#include "soma/optimizer.hpp"
#include "soma/profile.hpp"

namespace soma {

/// A training step or a prediction, as far as its time depends on it.
struct StepKind {
  Purpose purpose = Purpose::infer;
  std::int64_t batch = 1;
  int threads = 1;  ///< 0: all the CPUs this process may use
  Numerics numerics = Numerics::fast;
  Optimizer optimizer = Adam{};  ///< of a training step
  std::string fallback = {};     ///< see BackendOptions
};

/// A model on a backend with a random batch, ready to take one step after the other: what is timed
/// where no data are at hand. Samples are the same at every call: numbers in [-1, 1), ids below the
/// rows of the smallest embedding, classes within the outputs. Training changes a copy of the
/// model; parameters are drawn with seed 1 if it has none.
class SOMA_API RandomStep {
 public:
  /// `backend` is opened with the numerics and the fallback of `kind`, which are not looked at
  /// here. Throws what Trainer or Predictor and their first step throw.
  RandomStep(const Model& model, const Backend& backend, const StepKind& kind);
  ~RandomStep();
  RandomStep(RandomStep&&) noexcept;
  RandomStep& operator=(RandomStep&&) noexcept;

  /// One update, or one prediction of the whole batch.
  void run();
  /// The same, and when each of its kernels ran.
  StepTimes timed_run();
  StepMemory step_memory();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace soma
