#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "figures.hpp"
#include "soma/trainer.hpp"

/// metrics.csv of a run folder: one row per epoch. The last epoch may be cut short by --steps; its
/// row goes when training continues.
struct EpochMetrics {
  std::int64_t epoch = 0;                ///< from 1
  std::int64_t step = 0;                 ///< updates since the start of training
  double train_loss = 0;                 ///< mean over the epoch, as the weights were
  std::optional<double> train_accuracy;  ///< none for regression
  double test_loss = 0;                  ///< with the weights at the end of the epoch
  std::optional<double> test_accuracy;
  double seconds = 0;             ///< training time since the start, over all sessions
  double samples_per_second = 0;  ///< over that time
  // Rows of older files lack the following.
  std::optional<double> learning_rate, data_seconds;
  Figures figures = {};  ///< of the part that test_loss is of
};

class Metrics {
 public:
  /// Reads the file if it is there. Throws soma::FormatError with file and line.
  explicit Metrics(std::filesystem::path file);

  /// Drops the rows that a run standing at `step` has not reached yet, and that of an epoch cut
  /// short.
  void rewind(std::int64_t step, std::int64_t steps_per_epoch);
  /// Adds a row, in place of any of that step.
  void add(const EpochMetrics& row);
  /// Writes the file anew, atomically, unless it holds these rows already.
  void save();
  const std::vector<EpochMetrics>& rows() const { return rows_; }

 private:
  std::filesystem::path file_;
  std::vector<EpochMetrics> rows_;
  bool saved_ = true;
};

/// steps.csv: the loss within the epochs, for the curves of the report. A row holds the mean loss
/// of the updates since the row before it and the last learning rate, about a hundred rows an
/// epoch.
class StepLosses {
 public:
  struct Row {
    std::int64_t step;
    double train_loss;
    std::optional<double> learning_rate;  ///< rows of older files lack it
  };

  explicit StepLosses(std::filesystem::path file);
  void rewind(std::int64_t step);
  /// Takes the loss of the last batch. Returns the row if that completed one.
  std::optional<Row> add(const soma::Progress& at);
  /// Writes the rows so far, atomically.
  void save() const;
  const std::vector<Row>& rows() const { return rows_; }

 private:
  std::filesystem::path file_;
  std::vector<Row> rows_;
  double sum_ = 0;
  std::int64_t count_ = 0;
};
