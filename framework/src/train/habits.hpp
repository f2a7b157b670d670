#pragma once

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "soma/trainer.hpp"

namespace soma {

/// What the habits of training have seen; part of a checkpoint.
struct Habits {
  double early_best = 0;           // of early stopping, which min_delta holds back
  std::int64_t early_waited = -1;  // epochs since then; -1: no epoch yet
  double usual_loss = 0;           // moving average of the updates' losses
  std::int64_t usual_steps = 0;    // how many of them it has seen
  double rate_scale = 1;           // by rewinds

  /// Takes the loss of an update. Throws LossSpikeError if it is far above the usual one.
  void watch_loss(const Rescue& rescue, const Progress& at);
  /// Says in `at` if training has ended early.
  void tell_early(const FitOptions& options, Progress& at) const;
  /// Takes the figure of an epoch: true if it is the best so far. Says in `at` if training ends.
  bool watch_epoch(const FitOptions& options, double figure, Progress& at);
};

/// The weights of the best epoch, until they are in their file.
class BestWeights {
 public:
  void take(const Model& model);
  /// Writes them, if they are not there yet and the last time was a second ago or more, or `now`.
  void write(Model& model, const std::filesystem::path& file, bool now);
  void forget() noexcept;

 private:
  std::vector<Tensor> weights_;
  bool unsaved_ = false;
  double written_ = -std::numeric_limits<double>::infinity();  // seconds of a steady clock
};

/// Holds the moving average in the model's weights while it lives, and the weights in its place.
class AverageInPlace {
 public:
  explicit AverageInPlace(Trainer::State& state);
  ~AverageInPlace();
  AverageInPlace(const AverageInPlace&) = delete;
  AverageInPlace& operator=(const AverageInPlace&) = delete;

 private:
  void exchange() const;
  Trainer::State& state_;
};

/// Which parameters the patterns freeze. See TrainerOptions::freeze for what it throws.
std::vector<bool> frozen_parameters(const Model& model, const std::vector<std::string>& patterns);

}  // namespace soma
