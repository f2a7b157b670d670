#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "run_habits.hpp"
#include "soma/augmentation.hpp"
#include "soma/backend.hpp"
#include "soma/model.hpp"
#include "soma/optimizer.hpp"
#include "soma/schedule.hpp"

/// Everything that decides a training run: what config.json holds. The model travels as its
/// architecture, so that a run can be resumed after the file it came from has changed.
struct RunConfig {
  std::string model;         ///< the model's name
  std::string architecture;  ///< its JSON
  std::string data;          ///< SPEC
  std::string train_sha256, test_sha256;
  std::vector<std::string> class_names;
  std::string backend = "auto";  ///< as asked for
  std::string fallback;          ///< backend for ops that it lacks, or ""
  soma::Numerics numerics = soma::Numerics::fast;
  std::int64_t threads = 0;  ///< 0: all the CPUs this process may use
  std::int64_t epochs = 1;
  std::int64_t steps = 0;  ///< if > 0, counts instead of epochs
  std::int64_t batch = 32;
  soma::Optimizer optimizer;
  soma::Schedule schedule;
  soma::Regularization regularization;
  soma::Augmentation augmentation;
  RunHabits habits;
  std::int64_t seed = 1;
  std::int64_t checkpoint_every = 0;  ///< steps; 0: by time

  /// The text of config.json.
  std::string to_json() const;
  /// Throws soma::FormatError naming `origin` and the field.
  static RunConfig from_json(const std::string& text, const std::string& origin);
};

/// "momentum" (sgd with momentum 0.9) or a name of soma::optimizer_names(), with the rate, else the
/// default one. Throws soma::StateError for another name.
soma::Optimizer optimizer_named(const std::string& name, std::optional<double> learning_rate);

/// The learning rate for an optimizer that is not the model's own choice.
double default_learning_rate(const std::string& optimizer);

/// "fast", "exact" or "bf16"; throws UsageError.
soma::Numerics numerics_from_name(const std::string& name);
