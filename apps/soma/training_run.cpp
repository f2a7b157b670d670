#include "training_run.hpp"

#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <iostream>

#include "report.hpp"

namespace fs = std::filesystem;

namespace {

// A checkpoint every 15 s, or less often where it costs more than a fiftieth of that.
constexpr double kCheckpointSeconds = 15;
constexpr double kCheckpointShare = 0.02;
// Epochs that are shorter than this share a checkpoint, a report and a line.
constexpr double kEpochSeconds = 1;
constexpr std::int64_t kLongEpoch = 40;  // steps
// What looking at the layers may cost of the time since training began.
constexpr double kHealthShare = 0.015;

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

void request_stop(int) { stop_requested = true; }

/// SIGINT and SIGTERM ask to stop while this lives; the second one kills, as ever.
class StopOnSignal {
 public:
  StopOnSignal() {
    struct sigaction action {};
    action.sa_handler = request_stop;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, &old_int_);
    sigaction(SIGTERM, &action, &old_term_);
  }
  ~StopOnSignal() {
    sigaction(SIGINT, &old_int_, nullptr);
    sigaction(SIGTERM, &old_term_, nullptr);
  }
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

 private:
  struct sigaction old_int_ {
  }, old_term_{};
};

double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// "mnist", "idx-digits" for "idx:/data/digits", "people" for "people.csv?target=age": a SPEC or a
/// name as part of a folder's name.
std::string folder_word(const std::string& text) {
  const std::string plain = text.substr(0, text.find('?'));
  std::string word;
  const std::size_t colon = plain.find(':');
  if (colon != std::string::npos) word = plain.substr(0, colon) + "-";
  const fs::path name =
      fs::path(plain.substr(colon == std::string::npos ? 0 : colon + 1)).filename();
  constexpr std::array kEndings = {".csv", ".tsv", ".txt", ".npz", ".npy"};
  const bool known = std::ranges::find(kEndings, name.extension().string()) != kEndings.end();
  word += known ? name.stem().string() : name.string();
  std::ranges::replace_if(
      word, [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '_'; }, '-');
  return word;
}

/// Empty, or with nothing but what a run leaves that was killed before it had begun.
bool is_fresh(const RunFolder& folder) {
  const fs::path leftovers[] = {temporary_of(folder.config()), folder.checkpoint(),
                                temporary_of(folder.checkpoint())};
  return std::ranges::all_of(fs::directory_iterator(folder.path), [&](const auto& entry) {
    return std::ranges::count(leftovers, entry.path()) > 0;
  });
}

}  // namespace

soma::TrainerOptions trainer_options(const RunConfig& config) {
  soma::TrainerOptions options{.optimizer = config.optimizer,
                               .seed = static_cast<std::uint64_t>(config.seed),
                               .threads = static_cast<int>(config.threads),
                               .schedule = config.schedule,
                               .regularization = config.regularization};
  config.habits.apply(options);
  return options;
}

TrainingRun::TrainingRun(RunConfig config, soma::Model model, soma::DataSplit data)
    : config_(std::move(config)), model_(std::move(model)), data_(std::move(data)) {
  require_fit(model_, data_.train);
  require_fit(model_, data_.test);
  if (config_.augmentation.any()) config_.augmentation.check(data_.train.sample_shape());
  backend_ = open_backend(config_.backend, model_,
                          {.purpose = soma::Purpose::train,
                           .batch = std::min(config_.batch, data_.train.size()),
                           .threads = static_cast<int>(config_.threads),
                           .numerics = config_.numerics,
                           .optimizer = config_.optimizer,
                           .fallback = config_.fallback},
                          target_steps(), Tell::always);
  trainer_ = std::make_unique<soma::Trainer>(model_, backend_, trainer_options(config_));
  trainer_->kernels(std::min(config_.batch, data_.train.size()));
}

const soma::Dataset& TrainingRun::watched() const {
  return data_.validation.size() > 0 ? data_.validation : data_.test;
}

const char* TrainingRun::watched_name() const {
  return &watched() == &data_.test ? "test" : "validation";
}

std::int64_t TrainingRun::steps_per_epoch() const {
  const std::int64_t batch = std::min(config_.batch, data_.train.size());
  const std::int64_t batches = (data_.train.size() + batch - 1) / batch;
  return (batches + config_.habits.accumulate - 1) / config_.habits.accumulate;
}

std::int64_t TrainingRun::target_steps() const {
  return config_.steps > 0 ? config_.steps : config_.epochs * steps_per_epoch();
}

void TrainingRun::create_folder(const std::string& out) {
  config_.train_sha256 = data_.train.sha256();
  config_.test_sha256 = data_.test.sha256();
  config_.class_names = data_.train.class_names();
  certificate_.config = config_;
  certificate_.start_sha256 = model_.weights_sha256();
  certificate_.begin(session_of(config_, backend_, *trainer_, data_.train.size()),
                     steps_per_epoch());
  bool created = false;
  if (!out.empty()) {
    folder_.path = out;
    created = make_folder(out);
    if (!created && !is_fresh(folder_)) {
      throw soma::StateError(
          "run folder " + out +
          " is not empty; name another one, or go on with: soma train --resume " + out);
    }
  } else {
    const std::string stem = folder_word(config_.model) + "-" + folder_word(config_.data) + "-";
    for (int n = 1; !created; ++n) {
      folder_.path = fs::path("runs") / (stem + std::to_string(n));
      created = make_folder(folder_.path);
    }
  }
  try {
    lock_.emplace(folder_.path);
    // The weights that it begins with may be gone when it is resumed.
    if (!config_.habits.from.empty()) trainer_->save_checkpoint(folder_.checkpoint());
    write_file(folder_.config(), config_.to_json());
  } catch (...) {
    if (created) fs::remove_all(folder_.path);
    throw;
  }
  metrics_.emplace(folder_.metrics());
  losses_.emplace(folder_.steps());
  events_.emplace(folder_.path, 0);
  health_.emplace(folder_.health());
  save_certificate();
}

void TrainingRun::open_folder(const std::string& folder) {
  folder_.path = folder;
  lock_.emplace(folder_.path);
  if (data_.train.sha256() != config_.train_sha256 || data_.test.sha256() != config_.test_sha256) {
    throw soma::StateError("data '" + config_.data + "' is not what run " + folder +
                           " began with: its SHA-256 differs from that in " +
                           folder_.config().string());
  }
  metrics_.emplace(folder_.metrics());
  losses_.emplace(folder_.steps());
  certificate_.start_sha256 = model_.weights_sha256();
  load_newest_checkpoint();
  write_file(folder_.config(), config_.to_json());
  const std::int64_t step = trainer_->progress().step;
  load_certificate();
  certificate_.config = config_;
  if (step < target_steps()) {
    metrics_->rewind(step, steps_per_epoch());
    certificate_.begin(session_of(config_, backend_, *trainer_, data_.train.size()),
                       steps_per_epoch());
    save_certificate();
  }
  losses_->rewind(step);
  events_.emplace(folder_.path, step);
  health_.emplace(folder_.health());
  health_->rewind(step);
  std::cerr << "resuming " << folder << " at step " << step << " of " << target_steps() << "\n";
}

void TrainingRun::load_newest_checkpoint() {
  const bool has_previous = fs::exists(folder_.previous());
  if (fs::exists(folder_.checkpoint())) {
    try {
      trainer_->load_checkpoint(folder_.checkpoint());
      return;
    } catch (const soma::FormatError& e) {
      if (!has_previous) {
        throw soma::FormatError(std::string(e.what()) +
                                "; it has no predecessor, so remove it to train from the start");
      }
      std::cerr << "soma: " << e.what() << "; taking its predecessor\n";
    }
    trainer_->load_checkpoint(folder_.previous());
    // Out of the way, or the next checkpoint would make the damaged file the predecessor.
    fs::rename(folder_.checkpoint(), folder_.checkpoint().string() + ".damaged");
  } else if (has_previous) {
    trainer_->load_checkpoint(folder_.previous());  // killed between the two renames
  }
}

void TrainingRun::load_certificate() {
  if (!fs::exists(folder_.certificate())) return;
  try {
    certificate_ = TrainingCertificate::from_json(read_file(folder_.certificate()),
                                                  folder_.certificate().string());
  } catch (const soma::FormatError& e) {
    const std::string aside = folder_.certificate().string() + ".damaged";
    std::cerr << "soma: " << e.what() << "; kept as " << aside
              << ", the new one begins where training goes on\n";
    fs::rename(folder_.certificate(), aside);
  }
}

void TrainingRun::save_certificate() {
  if (certificate_.sessions.empty()) return;  // of a finished run that never had one
  std::string text = certificate_.to_json();
  if (text == saved_certificate_) return;
  write_file(folder_.certificate(), text);
  saved_certificate_ = std::move(text);
}

TrainingRun::Result TrainingRun::run() {
  const StopOnSignal signals;
  last_checkpoint_clock_ = session_clock_ = clock_seconds();
  const std::int64_t first_step = trainer_->progress().step;
  {
    probe_.emplace(model_);
    watch_next_step(trainer_->progress());
    const auto bar = soma::progress_bar();
    soma::FitOptions fit;
    fit.epochs = config_.epochs;
    fit.steps = config_.steps;
    fit.batch = config_.batch;
    fit.validation = &watched();
    fit.augmentation = config_.augmentation;
    fit.stop = &stop_requested;
    config_.habits.apply(folder_.path, fit);
    fit.rescue.before_rewind = [&] { writer_.finish(); };
    fit.rescue.on_rewind = [&](const soma::Progress& at, const std::string& why) {
      on_rewind(at, why);
    };
    fit.on_step = [&](const soma::Progress& at) {
      bar(at);
      on_step(at);
    };
    fit.on_epoch = [&](const soma::Progress& at, const soma::Evaluation* evaluation) {
      on_epoch(at, *evaluation);
    };
    try {
      trainer_->fit(data_.train, fit);
    } catch (const soma::TrainingError& e) {
      give_up(e);
    }
    trainer_->observe(nullptr);
  }
  const soma::Progress& at = trainer_->progress();
  Result result;
  result.progress = at;
  result.checkpoint_stall_seconds = longest_stall_;
  if (at.step < target_steps() && !at.stopped_early) {
    result.weights_sha256 = model_.weights_sha256();
    save_checkpoint();
    writer_.finish();
    write_report(
        "stopped at step " + std::to_string(at.step) + " of " + std::to_string(target_steps()),
        last_evaluation_ ? &*last_evaluation_ : nullptr);
    return result;
  }
  // The end of an epoch has been evaluated and saved; a run cut short by --steps has not.
  const bool has_row = !metrics_->rows().empty() && metrics_->rows().back().step == at.step;
  if (!has_row || !last_evaluation_) {
    last_evaluation_ = trainer_->evaluate(watched());
    if (!has_row) add_row(at, *last_evaluation_);
  }
  metrics_->save();
  save_certificate();
  if (!has_row && at.step > first_step) save_checkpoint();
  writer_.finish();
  // The result takes the place of the weights that training would go on with: they are saved.
  trainer_->use_average();
  const bool best = config_.habits.restore_best && fs::exists(folder_.best());
  if (best) trainer_->use_best(folder_.best());
  if (best || &watched() != &data_.test) last_evaluation_ = trainer_->evaluate(data_.test);
  model_.save(folder_.model());
  result.weights_sha256 = model_.weights_sha256();
  write_report("finished", &*last_evaluation_);
  result.finished = true;
  result.evaluation = *last_evaluation_;
  result.train_loss = metrics_->rows().back().train_loss;
  return result;
}

void TrainingRun::on_step(const soma::Progress& at) {
  writer_.poll();
  if (const auto row = losses_->add(at)) {
    events_->add(at.step, {{"loss/step", row->train_loss}, {"learning_rate", at.learning_rate}});
  }
  take_health(at);
  watch_next_step(at);
  // At the end of an epoch the row of metrics.csv comes first, the checkpoint after it.
  if (at.step_in_epoch == at.steps_per_epoch) return;
  const double interval =
      std::max(kCheckpointSeconds, checkpoint_seconds_ * (1 / kCheckpointShare));
  const bool due = config_.checkpoint_every > 0
                       ? at.step % config_.checkpoint_every == 0
                       : clock_seconds() - last_checkpoint_clock_ >= interval;
  if (due) save_checkpoint();
}

void TrainingRun::take_health(const soma::Progress& at) {
  auto layers = probe_->take();
  if (layers.empty()) return;
  bool kept = at.step_in_epoch == whole_batches() || at.step == target_steps();
  if (config_.habits.health) {
    for (const soma::Alarm& alarm : health_watch_.take(probe_->alarms(), at.step)) {
      print_alarm(alarm, at.step);
      kept = true;
    }
  }
  if (!kept) return;
  const std::int64_t epoch = (at.step + at.steps_per_epoch - 1) / at.steps_per_epoch;
  health_->add({epoch, at.step, std::move(layers)});
  last_health_clock_ = clock_seconds();
}

std::int64_t TrainingRun::whole_batches() const {
  const std::int64_t batch = std::min(config_.batch, data_.train.size());
  return data_.train.size() / batch / config_.habits.accumulate;
}

void TrainingRun::watch_next_step(const soma::Progress& at) {
  const std::int64_t whole = whole_batches();
  const std::int64_t next = at.step % steps_per_epoch() + 1;
  const bool due =
      health_->epochs().empty() || clock_seconds() - last_health_clock_ >= kEpochSeconds;
  // Some more in a long first epoch, for the times of the kernels.
  const bool timed = at.step < steps_per_epoch() && whole >= kLongEpoch && next % (whole / 8) == 0;
  const bool watched = config_.habits.health &&
                       probe_->seconds() <= kHealthShare * (clock_seconds() - session_clock_);
  const bool wanted = (next == whole && due) || timed || watched || at.step + 1 == target_steps();
  trainer_->observe(wanted ? &*probe_ : nullptr);
}

void TrainingRun::on_epoch(const soma::Progress& at, const soma::Evaluation& evaluation) {
  const bool first = !last_evaluation_, last = at.step >= target_steps() || at.stopped_early;
  last_evaluation_ = evaluation;
  add_row(at, evaluation);
  if (!first && !last && clock_seconds() - last_checkpoint_clock_ < kEpochSeconds) return;
  save_checkpoint();
  write_report("training: epoch " + std::to_string(at.epoch + 1), &evaluation);
  char text[96];
  std::snprintf(text, sizeof text, "epoch %lld: %s loss %.4f", static_cast<long long>(at.epoch + 1),
                watched_name(), evaluation.loss);
  std::cerr << text;
  if (!evaluation.confusion.empty()) std::cerr << ", accuracy " << percent(evaluation.accuracy);
  std::cerr << "\n";
}

void TrainingRun::on_rewind(const soma::Progress& at, const std::string& why) {
  metrics_->rewind(at.step, steps_per_epoch());
  losses_->rewind(at.step);
  health_->rewind(at.step);
  certificate_.begin(session_of(config_, backend_, *trainer_, data_.train.size()),
                     steps_per_epoch());
  watch_next_step(at);
  std::cerr << "soma: " << why << "; back to step " << at.step
            << " with half the learning rate (rewind " << at.rewinds << ")\n";
}

void TrainingRun::give_up(const soma::TrainingError& why) {
  std::string trouble;
  try {
    writer_.finish();
  } catch (const std::exception& e) {
    trouble = std::string("; ") + e.what();
  }
  losses_->save();
  metrics_->save();
  write_report(std::string("stopped: ") + why.what(),
               last_evaluation_ ? &*last_evaluation_ : nullptr);
  std::string rest = "; nothing was saved before";
  if (fs::exists(folder_.checkpoint())) {
    rest = "; the checkpoint before it is kept, go on from there with: soma train --resume " +
           folder_.path.string() + " --on-nan rewind --on-spike rewind";
  }
  throw soma::TrainingError(why.what() + trouble + rest);
}

void TrainingRun::save_checkpoint() {
  const double start = clock_seconds();
  // One after the other: the file that is replaced becomes the predecessor.
  writer_.finish();
  losses_->save();
  metrics_->save();
  health_->save();
  save_certificate();
  writer_.start([this, write = trainer_->snapshot(), stalled = clock_seconds() - start] {
    const double begin = clock_seconds();
    write(folder_.checkpoint());
    checkpoint_seconds_ = stalled + clock_seconds() - begin;
  });
  last_checkpoint_clock_ = clock_seconds();
  longest_stall_ = std::max(longest_stall_, last_checkpoint_clock_ - start);
}

void TrainingRun::add_row(const soma::Progress& at, const soma::Evaluation& evaluation) {
  const bool classes = data_.test.is_classification();
  EpochMetrics row;
  row.epoch = (at.step + steps_per_epoch() - 1) / steps_per_epoch();
  row.step = at.step;
  row.train_loss = at.mean_loss;
  if (classes) row.train_accuracy = at.accuracy;
  row.test_loss = evaluation.loss;
  if (classes) row.test_accuracy = evaluation.accuracy;
  row.seconds = at.seconds;
  row.samples_per_second = at.seconds > 0 ? static_cast<double>(at.samples) / at.seconds : 0;
  row.learning_rate = at.learning_rate;
  row.data_seconds = at.data_seconds;
  row.figures = figures_of(evaluation, watched());
  metrics_->add(row);
  const std::string part = watched_name();
  std::vector<Scalar> scalars = {{"loss/train", row.train_loss}, {"loss/" + part, row.test_loss}};
  if (classes) {
    scalars.push_back({"accuracy/train", *row.train_accuracy});
    scalars.push_back({"accuracy/" + part, *row.test_accuracy});
  }
  for (std::size_t i = 0; i < row.figures.size(); ++i) {
    if (row.figures[i]) scalars.push_back({kFigureNames[i] + ("/" + part), *row.figures[i]});
  }
  scalars.push_back({"samples_per_second", row.samples_per_second});
  events_->add(at.step, scalars);
  certificate_.add({row.epoch, row.step, row.train_loss, model_.weights_sha256()});
}

void TrainingRun::write_report(const std::string& status,
                               const soma::Evaluation* evaluation) const {
  const auto kernels = trainer_->kernels(std::min(config_.batch, data_.train.size()));
  const auto profile = probe_ ? probe_->profile() : std::vector<StepProbe::KernelTime>();
  const Report report{.config = config_,
                      .backend = backend_.name(),
                      .status = status,
                      .threads = trainer_->threads(),
                      .parameters = model_.parameter_count(),
                      .steps_per_epoch = steps_per_epoch(),
                      .weights_sha256 = model_.weights_sha256(),
                      .epochs = metrics_->rows(),
                      .losses = losses_->rows(),
                      .evaluation = evaluation,
                      .kernels = kernels,
                      .watched = watched_name(),
                      .health = health_->epochs(),
                      .profile = profile};
  write_file(folder_.report(), report_html(report));
}
