#include "run_habits.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

namespace {

constexpr std::pair<const char*, soma::Watch> kWatches[] = {{"loss", soma::Watch::loss},
                                                            {"accuracy", soma::Watch::accuracy}};
constexpr std::pair<const char*, soma::Remedy> kRemedies[] = {{"ignore", soma::Remedy::ignore},
                                                              {"stop", soma::Remedy::stop},
                                                              {"rewind", soma::Remedy::rewind}};
constexpr std::pair<const char*, soma::NanCheck> kChecks[] = {
    {"none", soma::NanCheck::none},
    {"step", soma::NanCheck::step},
    {"every-tensor", soma::NanCheck::every_tensor}};

template <class T, std::size_t N>
T named(const std::pair<const char*, T> (&list)[N], const std::string& name) {
  return std::ranges::find(list, name, [](const auto& e) { return std::string(e.first); })->second;
}

void require_named(const char* option, const std::string& value, const auto& list,
                   std::size_t skip = 0) {
  if (value.empty()) return;
  std::vector<std::string> names;
  for (const auto& [name, meaning] : list) names.emplace_back(name);
  names.erase(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(skip));
  require_one_of(option, value, names);
}

void require_number(const char* option, const std::optional<double>& value, double low,
                    double below) {
  if (!value || (*value >= low && *value < below)) return;
  std::ostringstream text;
  text << "--" << option << ": expected a number of " << low << " or more";
  if (std::isfinite(below)) text << ", below " << below;
  throw UsageError(text.str());
}

}  // namespace

nlohmann::ordered_json RunHabits::to_json() const {
  return {{"accumulate", accumulate},
          {"average", average},
          {"freeze", freeze},
          {"from", from},
          {"watch", watch},
          {"patience", patience},
          {"min_delta", min_delta},
          {"restore_best", restore_best},
          {"on_nan", on_nan},
          {"on_spike", on_spike},
          {"spike_factor", spike_factor},
          {"nan_check", nan_check},
          {"health", health}};
}

RunHabits RunHabits::from_json(const nlohmann::ordered_json& fields) {
  RunHabits h;
  h.accumulate = fields.value("accumulate", h.accumulate);
  h.average = fields.value("average", h.average);
  h.freeze = fields.value("freeze", h.freeze);
  h.from = fields.value("from", h.from);
  h.watch = fields.value("watch", h.watch);
  h.patience = fields.value("patience", h.patience);
  h.min_delta = fields.value("min_delta", h.min_delta);
  h.restore_best = fields.value("restore_best", h.restore_best);
  h.on_nan = fields.value("on_nan", h.on_nan);
  h.on_spike = fields.value("on_spike", h.on_spike);
  h.spike_factor = fields.value("spike_factor", h.spike_factor);
  h.nan_check = fields.value("nan_check", h.nan_check);
  h.health = fields.value("health", h.health);
  require_named("watch", h.watch, kWatches);
  require_named("on-nan", h.on_nan, kRemedies, 1);
  require_named("on-spike", h.on_spike, kRemedies);
  require_named("nan-check", h.nan_check, kChecks);
  return h;
}

void RunHabits::apply(soma::TrainerOptions& options) const {
  options.average = average;
  options.freeze = freeze;
  options.nan_check = named(kChecks, nan_check);
}

void RunHabits::apply(const std::filesystem::path& folder, soma::FitOptions& options) const {
  options.accumulate = accumulate;
  options.watch = named(kWatches, watch);
  options.early_stop = {patience, min_delta};
  options.best = folder / "best.safetensors";
  options.rescue.on_nan = named(kRemedies, on_nan);
  options.rescue.on_spike = named(kRemedies, on_spike);
  options.rescue.spike_factor = spike_factor;
  options.rescue.checkpoint = folder / "checkpoint.safetensors";
}

void HabitOptions::declare(CommandLine& line) {
  line.option("accumulate", &accumulate_, "K", "batches that make one update (default 1)")
      .option("average", &average_, "D",
              "keep a moving average of the weights with that decay (0.999); it is what is "
              "evaluated and saved")
      .option("freeze", &freeze_, "LIST",
              "parameters or layers that training leaves alone: conv*,*.bias")
      .option("from", &from_, "RUN|FILE",
              "begin with its weights, where names and shapes are the same")
      .option("watch", &watch_, "FIGURE",
              "loss (default) or accuracy: by which the best epoch is told")
      .option("patience", &patience_, "N", "stop after N epochs in a row without a better one")
      .option("min-delta", &min_delta_, "X", "by how much it has to be better (default 0)")
      .flag("restore-best", &restore_best_, "the result is the model of the best epoch")
      .option("on-nan", &on_nan_, "WHAT",
              "stop (default), or rewind: back to the checkpoint at half the learning rate")
      .option("on-spike", &on_spike_, "WHAT",
              "when the loss jumps: ignore (default), stop or rewind")
      .option("spike-factor", &spike_factor_, "X",
              "what a jump is, times the usual loss (default 3)")
      .option("nan-check", &nan_check_, "WHERE",
              "step (default): loss, gradients, weights; every-tensor (slow); none")
      .flag("health", &health_,
            "look at the layers while training goes on, and tell of dead, saturated, vanishing "
            "ones at once");
}

void HabitOptions::check(const CommandLine& line, bool resumed) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  require_at_least("accumulate", accumulate_, 1);
  require_at_least("patience", patience_, 1);
  require_number("average", average_, 0, 1);
  require_number("min-delta", min_delta_, 0, kInfinity);
  require_number("spike-factor", spike_factor_, 1, kInfinity);
  require_named("watch", watch_, kWatches);
  require_named("on-nan", on_nan_, kRemedies, 1);
  require_named("on-spike", on_spike_, kRemedies);
  require_named("nan-check", nan_check_, kChecks);
  for (const char* name :
       {"accumulate", "average", "freeze", "from", "watch", "min-delta", "restore-best"}) {
    if (!resumed || !line.given(name)) continue;
    throw UsageError("--" + std::string(name) + " cannot be changed in a run that is resumed");
  }
}

void HabitOptions::apply(RunHabits& habits) const {
  habits.accumulate = accumulate_.value_or(habits.accumulate);
  habits.average = average_.value_or(habits.average);
  habits.patience = patience_.value_or(habits.patience);
  habits.min_delta = min_delta_.value_or(habits.min_delta);
  habits.spike_factor = spike_factor_.value_or(habits.spike_factor);
  habits.restore_best |= restore_best_;
  habits.health |= health_;
  std::istringstream list(freeze_);
  for (std::string pattern; std::getline(list, pattern, ',');) {
    if (!pattern.empty()) habits.freeze.push_back(pattern);
  }
  const auto take = [](const std::string& given, std::string& to) {
    if (!given.empty()) to = given;
  };
  take(from_, habits.from);
  take(watch_, habits.watch);
  take(on_nan_, habits.on_nan);
  take(on_spike_, habits.on_spike);
  take(nan_check_, habits.nan_check);
}
