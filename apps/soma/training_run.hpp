#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "background_worker.hpp"
#include "event_file.hpp"
#include "files.hpp"
#include "health_log.hpp"
#include "health_watch.hpp"
#include "metrics.hpp"
#include "session.hpp"
#include "soma/trainer.hpp"
#include "training_certificate.hpp"

/// What a trainer is told of a run.
soma::TrainerOptions trainer_options(const RunConfig& config);

/// One session of training in a run folder: from a model, its data and a backend that are known to
/// fit each other, to the files of the folder. What happened before the session is in the folder.
class TrainingRun {
 public:
  struct Result {
    bool finished = false;  ///< false: stopped by a signal, everything saved
    soma::Progress progress;
    soma::Evaluation evaluation;  ///< of the final weights; only when finished
    double train_loss = 0;        ///< of the last epoch
    std::string weights_sha256;
    double checkpoint_stall_seconds = 0;  ///< the longest that a checkpoint held a step up
  };

  /// Opens the backend, checks that the data, those of config.data, fit the model and prepares
  /// every kernel, so that nothing has been written when one of them is refused.
  TrainingRun(RunConfig config, soma::Model model, soma::DataSplit data);
  TrainingRun(const TrainingRun&) = delete;  // the trainer refers to the model in here
  TrainingRun& operator=(const TrainingRun&) = delete;

  /// A new folder: `out`, or the next free runs/MODEL-DATA-<n> if empty. Throws soma::StateError if
  /// `out` exists and is not empty.
  void create_folder(const std::string& out);
  /// Continues in the folder of an earlier session, from its newest readable checkpoint, or from
  /// the start if it has none yet. Throws if the data are no longer those the run began with.
  void open_folder(const std::string& folder);

  /// Trains to the end, or until SIGINT or SIGTERM. Checkpoints at the end of every epoch (of
  /// epochs that last less than a second, about once a second) and every config.checkpoint_every
  /// steps, by default as often as keeps them below two per cent of the time.
  Result run();

  const RunConfig& config() const { return config_; }
  const std::string& backend_name() const { return backend_.name(); }
  const soma::Backend& backend() const { return backend_; }
  const soma::Dataset& test_data() const { return data_.test; }
  int threads() const { return trainer_->threads(); }
  const RunFolder& folder() const { return folder_; }
  const HealthWatch& health() const { return health_watch_; }
  const StepProbe& probe() const { return *probe_; }  ///< once it has run
  std::int64_t steps_per_epoch() const;
  std::int64_t target_steps() const;

 private:
  /// What is evaluated after every epoch: the validation part if there is one, else the test part.
  const soma::Dataset& watched() const;
  void load_newest_checkpoint();
  /// Reads the certificate of an earlier session, if there is one, and puts a damaged one aside.
  void load_certificate();
  void save_certificate();
  void on_step(const soma::Progress& at);
  void on_epoch(const soma::Progress& at, const soma::Evaluation& evaluation);
  std::int64_t whole_batches() const;  ///< of an epoch; updates of them, where these take several
  /// Lets the probe look at the next step if it is one to look at: the last whole batch of an
  /// epoch, and of the run whatever it is.
  void watch_next_step(const soma::Progress& at);
  /// Keeps what the probe saw in the step that just ended, and tells of alarms.
  void take_health(const soma::Progress& at);
  void on_rewind(const soma::Progress& at, const std::string& why);
  /// Saves what is not about the weights, and throws `why` with what can be done about it.
  [[noreturn]] void give_up(const soma::TrainingError& why);
  /// Writes everything but the report: metrics first, so that none is missing after a kill, the
  /// checkpoint last, from a copy and on a thread of its own.
  void save_checkpoint();
  void add_row(const soma::Progress& at, const soma::Evaluation& evaluation);
  /// "test" or "validation": the part that is watched.
  const char* watched_name() const;
  void write_report(const std::string& status, const soma::Evaluation* evaluation) const;

  RunConfig config_;
  soma::Model model_;
  soma::DataSplit data_;
  soma::Backend backend_;
  std::unique_ptr<soma::Trainer> trainer_;
  RunFolder folder_;
  std::optional<FolderLock> lock_;
  std::optional<Metrics> metrics_;
  std::optional<StepLosses> losses_;
  std::optional<EventFile> events_;
  std::optional<HealthLog> health_;
  std::optional<StepProbe> probe_;
  HealthWatch health_watch_;
  TrainingCertificate certificate_;
  std::string saved_certificate_;  ///< its text as it stands in the folder
  std::optional<soma::Evaluation> last_evaluation_;
  std::atomic<double> checkpoint_seconds_ = 0;  ///< what the last one cost, all threads together
  double longest_stall_ = 0;                    ///< by a checkpoint, seconds
  double session_clock_ = 0;                    ///< when training began, monotonic seconds
  double last_health_clock_ = -1;     ///< when the layers were looked at, monotonic seconds
  double last_checkpoint_clock_ = 0;  ///< when it was written, monotonic seconds
  BackgroundWorker writer_;           ///< of checkpoints; the last member, so that it ends first
};

/// A run in a new folder (see create_folder), with the weights of config.habits.from if there is
/// one: what `soma train` begins.
std::unique_ptr<TrainingRun> begin_run(RunConfig config, soma::Model model, soma::DataSplit data,
                                       const std::string& out);
