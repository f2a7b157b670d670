#pragma once

#include <optional>
#include <vector>

#include "soma/evaluation.hpp"
#include "train/trainer_state.hpp"

namespace soma {

/// Gathers an Evaluation batch by batch.
class Scorer {
 public:
  explicit Scorer(const Trainer::State& state);
  /// Takes the targets of the loaded batch: before the run, which may reuse their memory.
  void before(const Trainer::State::Compiled& compiled);
  /// Takes the answers of that batch, of so many samples of `data`.
  void after(const Trainer::State::Compiled& compiled, std::int64_t samples, const Dataset& data);
  Evaluation finish();

 private:
  void count_classes(const Trainer::State::Compiled& compiled, const Dataset& data);
  void count_ranks(const Trainer::State::Compiled& compiled, std::int64_t classes);
  void add_errors(const Trainer::State::Compiled& compiled);

  std::optional<Trainer::State::Judged> judged_;
  std::optional<std::size_t> compared_;  // the loss whose numbers are compared
  Evaluation result_;
  double loss_sum_ = 0, log_sum_ = 0;
  std::int64_t right_ = 0, counted_ = 0;
  std::vector<std::int32_t> labels_, answers_;
  std::vector<float> targets_;
  // Of each column of the targets, from its first number, so that squares stay small.
  struct Column {
    double first = 0, sum = 0, squares = 0;
  };
  std::vector<Column> columns_;
  double absolute_ = 0, squared_ = 0;
  std::int64_t rows_ = 0;
};

}  // namespace soma
