#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "graph/gradients.hpp"
#include "program/hooks.hpp"
#include "program/observation.hpp"
#include "program/program.hpp"
#include "soma/trainer.hpp"
#include "train/batch_reader.hpp"
#include "train/habits.hpp"
#include "train/nan_guard.hpp"
#include "train/rate.hpp"

namespace soma {

struct Trainer::State {
  /// A compiled program with its one instance.
  struct Compiled {
    std::unique_ptr<Program> program;
    Program::Instance instance;
    std::unique_ptr<HookCalls> hooks;
    std::unique_ptr<Observation> observation, check;  // made when somebody looks
    std::int64_t batch = 0;
    bool plain = false;   // not rewritten: every layer gives its tensor
    bool hasty = false;   // each parameter is updated as soon as its gradient is there
    bool summed = false;  // its update adds the gradients to their sums
  };
  /// Puts the batch of a program into its inputs and targets once more.
  using Reload = std::function<void()>;

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
  std::map<std::int64_t, Compiled> training, summing, evaluation;  // by batch size
  Compiled summed_update;    // what follows the programs in `summing`
  std::vector<bool> frozen;  // by parameter
  Habits habits;
  BestModel best;
  std::filesystem::path best_file;  // of the fit under way or the last one; "" for none
  UpdateGuard guard;
  std::uint64_t known_versions = 0;     // the sum of the parameters', as the last update left it
  bool memory_changed = true;           // weights or state, since the last update, by somebody else
  std::vector<std::size_t> statistics;  // the parameters that are running statistics
  std::vector<Tensor> statistics_before;  // a batch, to do it again
  std::vector<LayerHook> hooks;
  StepObserver* observer = nullptr;
  bool replaying = false;         // a batch is done again to name what it met
  float batch_share = 1;          // of the batch in an update of several
  std::size_t kernels_shown = 0;  // of the update under way, by programs that have run

  State(Model& m, Backend b, TrainerOptions o);
  /// Whether somebody wants to meet every tensor of a step, also those that fused kernels never
  /// write, and every gradient before its update.
  bool is_watched() const noexcept {
    return !hooks.empty() || (observer != nullptr && observer->needs_every_tensor()) || replaying ||
           options.nan_check == NanCheck::every_tensor;
  }
  Compiled& training_program(std::int64_t batch);
  /// Alike, for one of the batches that make an update; compiles summed_update too.
  Compiled& summing_program(std::int64_t batch);
  Compiled& evaluation_program(std::int64_t batch);
  Graph gradient_graph(std::int64_t batch, bool plain, bool share_of_batch) const;
  void forget_programs();
  void finish(Compiled& compiled, Graph graph, Storage storage);
  void add_hook(const std::string& layer, KernelTime::Phase phase, Hook hook);
  std::unique_ptr<Observation> make_observation(const Compiled& compiled) const;
  std::vector<std::string> names(const Compiled& compiled) const;
  /// The program of a batch given by hand, with the batch in its inputs and targets.
  Compiled& load_step(std::span<const TensorView> inputs, std::span<const TensorView> targets);
  /// Runs one update on what is in the program's inputs and targets. Returns the loss. Throws
  /// NonFiniteError.
  double update(Compiled& compiled, const Reload& reload, Program::Timeline* timeline = nullptr);
  // Its parts: one run_batch for each batch of the update, with the number that its random ops draw
  // from, then end_update with the program of the only batch or summed_update.
  void begin_update();
  /// Writes what the kernels take beside the batch.
  void write_scalars(Compiled& compiled, std::int64_t draw);
  double run_batch(Compiled& compiled, std::int64_t draw, const Reload& reload,
                   Program::Timeline* timeline = nullptr);
  void end_update(Compiled& compiled, Program::Timeline* timeline = nullptr);
  /// Runs a part of a step with whoever looks at it.
  void run_part(Compiled& compiled, Program::Part part, Program::Timeline* timeline,
                StepObserver* check);
  /// Does the batch again to find out where its NaN or infinity came from, and throws.
  [[noreturn]] void name_non_finite(Compiled& compiled, std::int64_t draw, const Reload& reload);
  void keep_statistics();
  void restore_statistics();
  bool statistics_finite() const;
  /// Whether each tensor of this update is looked at while it runs, and which.
  bool looks() const {
    return looks_at_all() || (options.nan_check == NanCheck::step && memory_changed);
  }
  /// A hook can write what the rest of the step masks.
  bool looks_at_all() const {
    return options.nan_check == NanCheck::every_tensor ||
           (options.nan_check == NanCheck::step && !hooks.empty());
  }
  FirstNonFinite::Scope scope() const {
    return looks_at_all() ? FirstNonFinite::Scope::everything : FirstNonFinite::Scope::memory;
  }
  std::uint64_t versions() const;
  /// Index of the moving average among a parameter's slots.
  std::size_t average_slot() const;
  bool has_average() const { return options.average > 0 && progress.step > 0; }
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
