#include "train/habits.hpp"

#include <algorithm>
#include <chrono>

#include "model/parameters.hpp"
#include "soma/transfer.hpp"
#include "train/trainer_state.hpp"

namespace soma {
namespace {

constexpr double kUsualShare = 0.05;
constexpr std::int64_t kUsualAfter = 20;
constexpr double kWriteSeconds = 2;

double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Exchanges the numbers of two tensors of one shape.
void exchange(Tensor& a, Tensor& b) {
  std::swap_ranges(a.data(), a.data() + a.size_bytes(), b.data());
}

}  // namespace

void Habits::watch_loss(const Rescue& rescue, const Progress& at) {
  const double loss = at.loss;
  const bool spike = usual_steps >= kUsualAfter && loss > rescue.spike_factor * usual_loss;
  if (spike && rescue.on_spike != Remedy::ignore) {
    throw LossSpikeError(at.step, loss, usual_loss);
  }
  usual_loss = usual_steps == 0 ? loss : usual_loss + kUsualShare * (loss - usual_loss);
  ++usual_steps;
}

bool Habits::watch_epoch(const FitOptions& options, double figure, Progress& at) {
  const auto gain = [&](double over) {
    return options.watch == Watch::loss ? over - figure : figure - over;
  };
  const bool best = at.best_epoch < 0 || gain(at.best) > 0;
  if (best) {
    at.best = figure;
    at.best_epoch = at.epoch;
  }
  if (early_waited < 0 || gain(early_best) > options.early_stop.min_delta) {
    early_best = figure;
    early_waited = 0;
  } else {
    ++early_waited;
  }
  tell_early(options, at);
  return best;
}

void Habits::tell_early(const FitOptions& options, Progress& at) const {
  const std::int64_t patience = options.early_stop.patience;
  at.stopped_early = patience > 0 && early_waited >= patience;
}

void BestModel::take(const Model& model) {
  auto copy = std::make_shared<Model>(Model::from_json(model.to_json()));
  make_parameters(*copy);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    copy->parameters()[i].value = model.parameters()[i].value.clone();
  }
  copy->set_record_format(model.record_format());
  model_ = std::move(copy);
  ++number_;
}

std::function<void()> BestModel::writer(const std::filesystem::path& file) {
  if (model_ == nullptr) return {};
  asked_ = clock_seconds();
  return [model = model_, number = number_, written = written_, file] {
    const std::lock_guard lock(written->writing);
    if (number <= written->number) return;
    model->save(file);
    written->number = number;
  };
}

void BestModel::write(const std::filesystem::path& file, bool now) {
  if (!now && clock_seconds() - asked_ < kWriteSeconds) return;
  if (const auto write = writer(file)) write();
}

AverageInPlace::AverageInPlace(Trainer::State& state) : state_(state) { exchange(); }
AverageInPlace::~AverageInPlace() { exchange(); }

void AverageInPlace::exchange() const {
  if (!state_.has_average()) return;
  for (std::size_t p = 0; p < state_.optimizer.slots.size(); ++p) {
    auto& slots = state_.optimizer.slots[p];
    if (slots.empty()) continue;
    Parameter& parameter = state_.model.parameters()[p];
    soma::exchange(parameter.value, slots[state_.average_slot()]);
    ++parameter.version;
  }
}

std::vector<bool> frozen_parameters(const Model& model, const std::vector<std::string>& patterns) {
  const auto& parameters = model.parameters();
  std::vector<bool> frozen(parameters.size());
  for (const std::string& pattern : patterns) {
    bool any = false;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const std::string& name = parameters[p].name;
      const bool fits = fits_pattern(name, pattern) ||
                        fits_pattern(std::string_view(name).substr(0, name.find('.')), pattern);
      if (!fits) continue;
      frozen[p] = any = true;
    }
    if (any) continue;
    std::string names;
    for (const Parameter& p : parameters) names += (names.empty() ? "" : ", ") + p.name;
    throw StateError("freeze: nothing fits '" + pattern + "'; the parameters are " + names);
  }
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].trainable && !frozen[p]) return frozen;
  }
  throw StateError("freeze: nothing of model '" + model.name() + "' is left to train");
}

}  // namespace soma
