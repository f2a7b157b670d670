#pragma once

#include <map>
#include <memory>

#include "graph/gradients.hpp"
#include "program/program.hpp"
#include "soma/trainer.hpp"

namespace soma {

struct Trainer::State {
  /// A compiled program with its one instance.
  struct Compiled {
    std::unique_ptr<Program> program;
    Program::Instance instance;
  };

  Model& model;
  Backend backend;
  TrainerOptions options;
  UpdateScalars scalars;
  int threads;
  OptimizerState optimizer;
  Progress progress;
  // Running sums of the epoch under way, for mean_loss and accuracy.
  double loss_sum = 0;
  std::int64_t correct = 0, seen = 0;
  std::map<std::int64_t, Compiled> training, evaluation;  // by batch size

  State(Model& m, Backend b, TrainerOptions o);
  Compiled& training_program(std::int64_t batch);
  Compiled& evaluation_program(std::int64_t batch);
  /// Runs one update on what is in the program's input and targets. Returns the loss.
  double update(Compiled& compiled);
  /// Counts the right answers of the last run among `labels`.
  std::int64_t count_correct(const Compiled& compiled, std::span<const std::int32_t> labels) const;
  void check_fits(const Dataset& data) const;
  void load_batch(const Compiled& compiled, const Dataset& data,
                  std::span<const std::int64_t> rows) const;
};

}  // namespace soma
