#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "step_probe.hpp"

/// health.csv of a run folder: what the layers' numbers were like in a step near the end of an
/// epoch, a row for each layer.
class HealthLog {
 public:
  struct Epoch {
    std::int64_t epoch = 0, step = 0;
    std::vector<LayerHealth> layers;
  };

  /// Reads the file if it is there. Throws soma::FormatError with file and line.
  explicit HealthLog(std::filesystem::path file);
  /// Drops what a run standing at `step` has not reached yet.
  void rewind(std::int64_t step);
  /// Adds an epoch, in place of any that reached that step.
  void add(Epoch epoch);
  /// Writes the file anew, atomically, unless it holds all this already.
  void save();
  const std::vector<Epoch>& epochs() const { return epochs_; }

 private:
  std::filesystem::path file_;
  std::vector<Epoch> epochs_;
  bool saved_ = true;
};
