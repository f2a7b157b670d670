#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
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

/// The model of the best epoch, until it is in its file.
class BestModel {
 public:
  /// Copies it.
  void take(const Model& model);
  /// What writes it, from any thread, unless it or a later one is there by then. Empty if there is
  /// none to write.
  std::function<void()> writer(const std::filesystem::path& file);
  /// Writes it, if nobody was given a writer in the last two seconds, or `now`.
  void write(const std::filesystem::path& file, bool now);
  void forget() noexcept { model_.reset(); }

 private:
  struct Written {
    std::mutex writing;
    std::int64_t number = 0;  // of the model that is in the file
  };
  std::shared_ptr<const Model> model_;
  std::int64_t number_ = 0;  // how many were taken
  std::shared_ptr<Written> written_ = std::make_shared<Written>();
  double asked_ = -std::numeric_limits<double>::infinity();  // seconds of a steady clock
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
