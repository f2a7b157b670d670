#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "soma/augmentation.hpp"
#include "soma/backend.hpp"
#include "soma/dataset.hpp"
#include "soma/evaluation.hpp"
#include "soma/model.hpp"
#include "soma/observer.hpp"
#include "soma/optimizer.hpp"
#include "soma/profile.hpp"
#include "soma/schedule.hpp"
#include "soma/tensor.hpp"
#include "soma/training_error.hpp"

namespace soma {

/// Where training looks for NaN and infinities; what it finds is thrown as NonFiniteError by the
/// step that met it. The step is then done again from the same state, tensor by tensor, to name the
/// first one.
enum class NanCheck {
  none,
  step,         ///< in the loss and all gradients, in weights and state after an update that could
                ///< have overflowed: one that the step masks (max(0, -inf)) is not seen; with hooks
                ///< as every_tensor
  every_tensor  ///< in every operand of every kernel; reads all that the step reads once more
};

struct TrainerOptions {
  Optimizer optimizer = Adam{};
  std::uint64_t seed = 1;  ///< initial weights (if the model has none) and shuffling
  int threads = 0;         ///< 0: all the CPUs this process may use
  Schedule schedule = {};  ///< of the learning rate, "cosine(warmup=100)"
  Regularization regularization = {};
  NanCheck nan_check = NanCheck::step;
  /// Above 0: also keeps a moving average of the weights, average += (1 - d) * (weight - average)
  /// after every update t, with d = min(average, (1 + t) / (10 + t)) and the first weights as its
  /// start (the `decay` and `num_updates` of TensorFlow's ExponentialMovingAverage). Evaluations
  /// and best models are of the average. Running statistics are not averaged. Below 1.
  double average = 0;
  /// Parameters that no update changes: patterns of parameter or layer names, see fits_pattern()
  /// ("conv*", "*.bias"). Gradients stop at layers that are frozen as a whole; running statistics
  /// go on. Throws StateError for a pattern that fits nothing, and if nothing is left to train.
  std::vector<std::string> freeze = {};
};

/// Where a run stands; after a step, `step` counts it.
struct Progress {
  std::int64_t epoch = 0;          ///< from 0
  std::int64_t step = 0;           ///< updates done since the start of training
  std::int64_t step_in_epoch = 0;  ///< updates done in this epoch
  std::int64_t steps_per_epoch = 0;
  std::int64_t total_steps = 0;  ///< of this fit, counted from the start of training
  double loss = 0;               ///< of the last batch
  double mean_loss = 0;          ///< over this epoch so far, weighted by samples
  double accuracy = 0;           ///< over this epoch so far, see Evaluation
  double learning_rate = 0;      ///< of the last update
  double seconds = 0;            ///< training time so far, over all sessions of this run
  std::int64_t samples = 0;      ///< samples trained on so far, over all sessions
  double data_seconds = 0;       ///< the part of `seconds` that steps waited for their data
  std::int64_t best_epoch = -1;  ///< whose watched figure is the best so far; -1: none yet
  double best = 0;               ///< that figure
  std::int64_t rewinds = 0;      ///< how often training went back to a checkpoint
  bool stopped_early = false;    ///< by EarlyStop
};

/// The figure of an epoch that is watched: of the validation data if there are any, else the means
/// over the epoch. A lower loss is better, a higher accuracy.
enum class Watch { loss, accuracy };

/// Ends a fit after `patience` epochs in a row that were not better than the best one before them
/// by more than min_delta; 0: never.
struct EarlyStop {
  std::int64_t patience = 0;
  double min_delta = 0;
};

enum class Remedy { ignore, stop, rewind };

/// What a fit does when a step meets a NaN or an infinity (see NanCheck), or a loss above
/// spike_factor times its moving average (a share of 0.05 for each update, from the 20th on).
///
///   stop     throws NonFiniteError or LossSpikeError
///   rewind   loads the checkpoint and goes on with `rate` times the learning rate, for good; after
///            `most` times in one run it stops. Deterministic, and the same after a resume.
struct Rescue {
  Remedy on_nan = Remedy::stop;  ///< not ignore: that is NanCheck::none
  Remedy on_spike = Remedy::ignore;
  double spike_factor = 3;
  /// The file that rewind goes back to. Who saves it is the caller's business (save_checkpoint());
  /// fit does where it does not exist yet.
  std::filesystem::path checkpoint = {};
  std::int64_t most = 3;
  double rate = 0.5;
  /// Before the checkpoint is read: the place to wait for one that is still being written.
  std::function<void()> before_rewind = {};
  /// After each rewind: where training stands again, and why.
  std::function<void(const Progress&, const std::string&)> on_rewind = {};
};

struct FitOptions {
  std::int64_t epochs = 1;
  std::int64_t steps = 0;  ///< if > 0: stop after this many updates, whatever `epochs` says
  std::int64_t batch = 32;
  /// Batches that make one update, so that it is of accumulate * batch samples. The gradient is the
  /// sum, in their order, of those of the batches, each of whose losses was multiplied by its share
  /// of the update's samples; a normalisation sees one batch at a time. Steps count updates.
  std::int64_t accumulate = 1;
  const Dataset* validation = nullptr;
  Watch watch = Watch::loss;
  EarlyStop early_stop = {};
  /// If not empty: the file that holds the model of the best epoch so far. Written with the next
  /// checkpoint or snapshot, after two seconds or at the end of the fit at the latest.
  std::filesystem::path best = {};
  bool restore_best = false;  ///< the fit ends with the weights of `best`, if there is one
  Rescue rescue = {};
  Augmentation augmentation = {};                     ///< of the first input, in training alone
  std::function<void(const Progress&)> on_step = {};  ///< after every update
  std::function<void(const Progress&, const Evaluation*)> on_epoch =
      {};  ///< after every epoch; Evaluation if validating
  const std::atomic<bool>* stop =
      nullptr;  ///< looked at after every update; set it to leave fit early
};

/// Trains a model on one backend. Deterministic: (model, data, options, seed) decide every bit
/// where the backend is exact, whatever the thread count.
class SOMA_API Trainer {
 public:
  /// Initializes the model with options.seed if it has no parameters yet. Keeps a reference to it.
  /// Throws UnsupportedError that lists every op the backend cannot do, before anything is computed
  /// (at the first fit or step).
  Trainer(Model& model, Backend backend, TrainerOptions options = {});
  ~Trainer();

  /// Trains until epochs or steps are reached, from where the last fit, or the loaded checkpoint,
  /// stood. The order of samples in epoch e is a permutation drawn from (seed, e); a last smaller
  /// batch is trained on too. Large batches are read ahead by a thread of their own. The data's
  /// record format is left in the model. Returns where it stopped.
  Progress fit(const Dataset& train, const FitOptions& options);
  Evaluation evaluate(const Dataset& data, std::int64_t batch = 256);

  /// One update on a batch given by hand; returns the loss. One view for each input of the model,
  /// [batch, sample...], and for each of its losses: labels i32 [batch, position...] for
  /// cross-entropy, targets f32 in the shape of the output for regression. Throws ShapeError.
  double step(std::span<const TensorView> inputs, std::span<const TensorView> targets);
  /// The same for one input and one loss.
  double step(const TensorView& inputs, const TensorView& targets) {
    return step({&inputs, 1}, {&targets, 1});
  }

  /// An update as by step(), and when each of its kernels ran.
  StepTimes timed_step(std::span<const TensorView> inputs, std::span<const TensorView> targets);

  /// Calls `hook` whenever a step or an evaluation has computed the output of that layer, or a step
  /// the gradient with respect to it; in the order they were added. See Hook. A layer that only
  /// gives its input another shape, or passes it on, shares one tensor with what comes before it.
  /// Throws StateError that lists the layers if there is none of that name; so does the next step
  /// if the gradient is not computed, since no parameter before it is trained.
  void on_forward(const std::string& layer, Hook hook);
  void on_backward(const std::string& layer, Hook hook);
  void remove_hooks();
  /// Shows every kernel of the training steps from here on, after any hooks; null for none.
  /// `observer` must live until then. Costs nothing while there is none.
  void observe(StepObserver* observer) noexcept;

  /// Makes the moving average of the weights (TrainerOptions::average) the model's weights; does
  /// nothing without one. For the end of training: an average that goes on does so from there.
  void use_average();
  /// From the next update on the learning rate follows this schedule, from its start if it has a
  /// memory. A checkpoint is then of a training with it.
  void use_schedule(Schedule schedule);
  /// Makes the weights of a model file (FitOptions::best) the model's weights, and the moving
  /// average starts from them. Throws FormatError and StateError.
  void use_best(const std::filesystem::path& file);

  const Progress& progress() const noexcept;
  int threads() const noexcept;
  /// Everything needed to go on with the same bits: weights, state of optimizer and schedule,
  /// counters, position in the data. Written to a temporary file, synced and renamed; the file that
  /// was there is kept as "<name>.previous". Before it, a best model that is not in its file yet.
  void save_checkpoint(const std::filesystem::path& file) const;
  /// Copies that state. What it returns writes it as save_checkpoint would have at this moment,
  /// from any thread, while training goes on, as often as it is called; it may outlive the trainer.
  std::function<void(const std::filesystem::path&)> snapshot() const;
  /// Throws FormatError (missing or damaged) or ShapeError (another model).
  void load_checkpoint(const std::filesystem::path& file);

  struct KernelReport {
    std::string op, layer, implementation;
    Exactness exactness;
  };
  /// The kernels of the training program for that batch size, in execution order.
  std::vector<KernelReport> kernels(std::int64_t batch);
  /// Bytes of the memory plan (activations, gradients, workspaces, packs) for that batch size.
  std::size_t planned_bytes(std::int64_t batch);
  StepMemory step_memory(std::int64_t batch);  ///< the same in parts

  /// What training holds in memory, in bytes. Of programs it is what their plans say.
  struct MemoryPlan {
    std::size_t parameters = 0;  ///< running statistics included
    std::size_t optimizer = 0;   ///< its state
    std::size_t gradients = 0;   ///< of the parameters; part of `step`
    std::size_t step = 0;        ///< activations, gradients, workspaces, packs of an update
    std::size_t evaluation = 0;  ///< alike, of a batch that is evaluated
    std::size_t batches = 0;     ///< read ahead
  };
  /// For that batch size, compiling what has not been compiled yet. `evaluation_batch`: as that of
  /// evaluate().
  MemoryPlan memory(std::int64_t batch, std::int64_t evaluation_batch = 256);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

/// Throws ShapeError, with the reason, unless `data` has what the model takes as inputs and what
/// its losses take as targets, in the same order. Several inputs go by the same names.
SOMA_API void require_fit(const Model& model, const Dataset& data);

/// A callback for FitOptions::on_step: a bar with rate and time left on a terminal, a plain line
/// now and then elsewhere (stderr).
SOMA_API std::function<void(const Progress&)> progress_bar();

}  // namespace soma
