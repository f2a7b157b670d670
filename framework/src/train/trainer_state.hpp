#pragma once

#include <map>
#include <memory>
#include <optional>

#include "graph/gradients.hpp"
#include "program/hooks.hpp"
#include "program/observation.hpp"
#include "program/program.hpp"
#include "soma/trainer.hpp"
#include "train/batch_reader.hpp"
#include "train/rate.hpp"

namespace soma {

struct Trainer::State {
  /// A compiled program with its one instance.
  struct Compiled {
    std::unique_ptr<Program> program;
    Program::Instance instance;
    std::unique_ptr<HookCalls> hooks;
    std::unique_ptr<Observation> observation;  // made when somebody looks
    bool plain = false;                        // not rewritten: every layer gives its tensor
  };

  Model& model;
  Backend backend;
  TrainerOptions options;
  UpdateScalars scalars;
  Rate rate;
  int threads;
  OptimizerState optimizer;
  Progress progress;
  // Running sums of the epoch under way, for mean_loss and accuracy.
  double loss_sum = 0;
  std::int64_t correct = 0, answers = 0, seen = 0;
  ScheduleState schedule;
  std::map<std::int64_t, Compiled> training, evaluation;  // by batch size
  std::vector<LayerHook> hooks;
  StepObserver* observer = nullptr;

  State(Model& m, Backend b, TrainerOptions o);
  /// Whether somebody wants to meet every tensor of a step, also those that fused kernels never
  /// write, and every gradient before its update.
  bool is_watched() const noexcept { return !hooks.empty() || observer != nullptr; }
  Compiled& training_program(std::int64_t batch);
  Compiled& evaluation_program(std::int64_t batch);
  void finish(Compiled& compiled, Graph graph, Storage storage);
  void add_hook(const std::string& layer, KernelTime::Phase phase, Hook hook);
  Observation& observation(Compiled& compiled) const;
  /// The program of a batch given by hand, with the batch in its inputs and targets.
  Compiled& load_step(std::span<const TensorView> inputs, std::span<const TensorView> targets);
  /// Runs one update on what is in the program's inputs and targets. Returns the loss.
  double update(Compiled& compiled, Program::Timeline* timeline = nullptr);
  /// The loss whose answers are counted: the first on classes or signs.
  struct Judged {
    std::size_t number = 0;  ///< among the model's losses
    Loss loss;
  };
  std::optional<Judged> judged() const;
  /// What the loaded batch should answer: classes, for signs 0 and 1, -1 for none. To be read
  /// before the run, which may reuse the targets' memory.
  static void read_labels(const Compiled& compiled, const Judged& judged,
                          std::vector<std::int32_t>& to);
  /// What the last run answered, alike.
  static void read_answers(const Compiled& compiled, const Judged& judged,
                           std::vector<std::int32_t>& to);
  /// The samples in a batch given by hand; throws ShapeError if there is no whole number of them.
  std::int64_t batch_of(std::span<const TensorView> inputs) const;
  /// Throws ShapeError unless the views are those that a step of `graph` takes.
  void check_step(const Graph& graph, std::span<const TensorView> inputs,
                  std::span<const TensorView> targets) const;
  /// Copies a batch into the program's inputs and targets; classes for a loss on signs as numbers.
  void load_batch(const Compiled& compiled, const Dataset& data,
                  std::span<const std::int64_t> rows) const;
  /// The same for a batch that has been read.
  void load_batch(const Compiled& compiled, const Dataset& data,
                  const BatchReader::Batch& batch) const;
  /// Turns class indices among the program's targets into numbers for a loss on signs.
  void number_classes(const Compiled& compiled, const Dataset& data) const;
};

}  // namespace soma
