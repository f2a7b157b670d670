#include <algorithm>
#include <chrono>
#include <filesystem>

#include "model/state.hpp"
#include "train/trainer_state.hpp"

namespace soma {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// One call of Trainer::fit, from where the trainer stands.
class Fit {
 public:
  Fit(Trainer& trainer, Trainer::State& state, const Dataset& train, const FitOptions& options)
      : trainer_(trainer),
        s_(state),
        at_(state.progress),
        train_(train),
        options_(options),
        batch_(std::min(options.batch, train.size())),
        batches_per_epoch_((train.size() + batch_ - 1) / batch_) {
    at_.steps_per_epoch = (batches_per_epoch_ + options.accumulate - 1) / options.accumulate;
    at_.total_steps = options.steps > 0 ? options.steps : options.epochs * at_.steps_per_epoch;
    s_.best_file = options.best;
    s_.habits.tell_early(options, at_);
  }

  void run() {
    const Rescue& rescue = options_.rescue;
    const bool rewinds = rescue.on_nan == Remedy::rewind || rescue.on_spike == Remedy::rewind;
    if (rewinds && !std::filesystem::exists(rescue.checkpoint)) {
      trainer_.save_checkpoint(rescue.checkpoint);
    }
    for (bool done = false; !done;) {
      try {
        train();
        done = true;
      } catch (const NonFiniteError& e) {
        if (!rewound(rescue.on_nan, e)) throw;
      } catch (const LossSpikeError& e) {
        if (!rewound(rescue.on_spike, e)) throw;
      }
    }
    if (!options_.best.empty()) finish_best();
  }

 private:
  bool stopping() const {
    return options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed);
  }

  void train() {
    const auto judged = s_.judged();
    BatchReader reader({train_, options_.augmentation, s_.options.seed, batch_, at_.epoch,
                        at_.step_in_epoch * options_.accumulate,
                        (at_.total_steps - at_.step) * options_.accumulate});
    while (at_.step < at_.total_steps && !at_.stopped_early) {
      while (at_.step_in_epoch < at_.steps_per_epoch && at_.step < at_.total_steps) {
        update(reader, judged);
        if (options_.on_step) options_.on_step(at_);
        if (stopping()) return;
      }
      if (at_.step_in_epoch < at_.steps_per_epoch) return;
      end_epoch();
      if (stopping()) return;
    }
  }

  /// The next update, of as many batches as it takes.
  void update(BatchReader& reader, const std::optional<Trainer::State::Judged>& judged) {
    const auto start = Clock::now();
    const std::int64_t first = at_.step_in_epoch * options_.accumulate;
    const std::int64_t last = std::min(first + options_.accumulate, batches_per_epoch_);
    const std::int64_t samples = std::min(last * batch_, train_.size()) - first * batch_;
    const bool one = options_.accumulate == 1;
    s_.begin_update();
    if (!one) {
      for (Tensor& sum : s_.optimizer.sums) std::ranges::fill(sum.as<float>(), 0.0f);
    }
    Trainer::State::Compiled* compiled = nullptr;
    double loss = 0;
    for (std::int64_t b = first; b < last; ++b) {
      const auto waiting = Clock::now();
      const BatchReader::Batch& read = reader.next();
      at_.data_seconds += seconds_since(waiting);
      compiled = one ? &s_.training_program(read.rows) : &s_.summing_program(read.rows);
      const auto copying = Clock::now();
      s_.load_batch(*compiled, train_, read);
      at_.data_seconds += seconds_since(copying);
      if (judged) Trainer::State::read_labels(*compiled, *judged, labels_);
      s_.batch_share = share_of(read.rows, samples);
      struct {
        Fit* fit;
        Trainer::State::Compiled* compiled;
        const BatchReader::Batch* read;
      } again{this, compiled, &read};
      const double part = s_.run_batch(
          *compiled, at_.step * options_.accumulate + b - first + 1,
          [&again] { again.fit->s_.load_batch(*again.compiled, again.fit->train_, *again.read); });
      loss = one ? part : loss + part * share(read.rows, samples);
      if (judged) count_answers(*compiled, *judged);
    }
    s_.end_update(one ? *compiled : s_.summed_update);
    at_.loss = loss;
    s_.loss_sum += loss * static_cast<double>(samples);
    s_.seen += samples;
    ++at_.step_in_epoch;
    at_.samples += samples;
    at_.mean_loss = s_.loss_sum / static_cast<double>(s_.seen);
    at_.accuracy = share(s_.correct, s_.answers);
    at_.seconds += seconds_since(start);
    s_.habits.watch_loss(options_.rescue, at_);
  }

  static float share_of(std::int64_t rows, std::int64_t samples) {
    return static_cast<float>(share(rows, samples));
  }

  void count_answers(const Trainer::State::Compiled& compiled,
                     const Trainer::State::Judged& judged) {
    Trainer::State::read_answers(compiled, judged, answers_);
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      s_.correct += labels_[i] >= 0 && answers_[i] == labels_[i];
      s_.answers += labels_[i] >= 0;
    }
  }

  void end_epoch() {
    const bool validates = options_.validation != nullptr;
    Evaluation evaluation;
    if (validates) evaluation = trainer_.evaluate(*options_.validation);
    const double loss = validates ? evaluation.loss : at_.mean_loss;
    observe(s_.options.schedule, s_.schedule, loss);
    const double accuracy = validates ? evaluation.accuracy : at_.accuracy;
    const bool best =
        s_.habits.watch_epoch(options_, options_.watch == Watch::loss ? loss : accuracy, at_);
    if (best && !options_.best.empty()) {
      const AverageInPlace average(s_);
      s_.best.take(s_.model);
    }
    const Progress finished = at_;
    // The position moves on first, so that a checkpoint written by the callback starts the next
    // epoch.
    ++at_.epoch;
    at_.step_in_epoch = 0;
    s_.loss_sum = 0;
    s_.correct = s_.answers = s_.seen = 0;
    if (options_.on_epoch) options_.on_epoch(finished, validates ? &evaluation : nullptr);
    if (!options_.best.empty()) s_.best.write(options_.best, false);
  }

  /// Back to the checkpoint, if that is the remedy and it was not taken too often.
  bool rewound(Remedy remedy, const TrainingError& why) {
    const Rescue& rescue = options_.rescue;
    const std::int64_t before = at_.rewinds;
    if (remedy != Remedy::rewind || before >= rescue.most) return false;
    const double scale = s_.habits.rate_scale, seconds = at_.seconds;
    const std::int64_t total = at_.total_steps, per_epoch = at_.steps_per_epoch;
    const std::string text = why.what();
    if (rescue.before_rewind) rescue.before_rewind();
    trainer_.load_checkpoint(rescue.checkpoint);
    at_.total_steps = total;
    at_.steps_per_epoch = per_epoch;
    at_.rewinds = before + 1;
    at_.seconds = seconds;
    s_.habits.rate_scale = scale * rescue.rate;
    if (rescue.on_rewind) rescue.on_rewind(at_, text);
    return true;
  }

  void finish_best() {
    s_.best.write(options_.best, true);
    if (!options_.restore_best || at_.best_epoch < 0 || stopping()) return;
    trainer_.use_best(options_.best);
  }

  Trainer& trainer_;
  Trainer::State& s_;
  Progress& at_;
  const Dataset& train_;
  const FitOptions& options_;
  const std::int64_t batch_, batches_per_epoch_;
  std::vector<std::int32_t> labels_, answers_;
};

void check(const FitOptions& options, const Dataset& train) {
  const auto least = [](const char* name, std::int64_t value, std::int64_t low) {
    if (value >= low) return;
    throw ShapeError(std::string("fit: ") + name + ": expected " + std::to_string(low) +
                     " or more, got " + std::to_string(value));
  };
  least("batch", options.batch, 1);
  least("accumulate", options.accumulate, 1);
  least("early_stop.patience", options.early_stop.patience, 0);
  const Rescue& rescue = options.rescue;
  const bool rewinds = rescue.on_nan == Remedy::rewind || rescue.on_spike == Remedy::rewind;
  if (rewinds && rescue.checkpoint.empty()) {
    throw StateError("fit: rescue.checkpoint: expected the file that rewind goes back to");
  }
  if (options.restore_best && options.best.empty()) {
    throw StateError("fit: restore_best: expected the file `best` to restore from");
  }
  if (!options.augmentation.any()) return;
  options.augmentation.check(train.sample_shape());
  if (train.inputs()[0].type != DType::f32)
    throw ShapeError("fit: augmentation: expected f32 samples, got i32");
}

}  // namespace

Progress Trainer::fit(const Dataset& train, const FitOptions& options) {
  State& s = *state_;
  require_fit(s.model, train);
  if (options.validation != nullptr) require_fit(s.model, *options.validation);
  s.model.set_record_format(train.record_format());
  check(options, train);
  Fit(*this, s, train, options).run();
  return s.progress;
}

}  // namespace soma
