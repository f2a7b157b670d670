#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "soma/trainer.hpp"

/// What a run does beside its steps; part of config.json, as "habits".
struct RunHabits {
  std::int64_t accumulate = 1;
  double average = 0;
  std::vector<std::string> freeze;
  std::string from;  ///< the run or file whose weights it began with, or ""
  std::string watch = "loss";
  std::int64_t patience = 0;
  double min_delta = 0;
  bool restore_best = false;
  std::string on_nan = "stop", on_spike = "ignore";
  double spike_factor = 3;
  std::string nan_check = "step";
  bool health = false;  ///< layers are looked at all along, and alarms told

  nlohmann::ordered_json to_json() const;
  /// Throws nlohmann's exceptions; what is missing keeps its default.
  static RunHabits from_json(const nlohmann::ordered_json& fields);
  void apply(soma::TrainerOptions& options) const;
  /// `folder`: of the run; best.safetensors and the checkpoint are in it.
  void apply(const std::filesystem::path& folder, soma::FitOptions& options) const;
};

/// The options of `soma train` for them.
class HabitOptions {
 public:
  void declare(CommandLine& line);
  /// Throws UsageError.
  void check(const CommandLine& line, bool resumed) const;
  /// Changes what was given on the command line.
  void apply(RunHabits& habits) const;

 private:
  std::optional<std::int64_t> accumulate_, patience_;
  std::optional<double> average_, min_delta_, spike_factor_;
  std::string freeze_, from_, watch_, on_nan_, on_spike_, nan_check_;
  bool restore_best_ = false, health_ = false;
};
