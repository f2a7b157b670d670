#include "soma/fastest_backend.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "plugins/preference.hpp"
#include "train/choice_cache.hpp"

namespace soma {
namespace {

using Clock = std::chrono::steady_clock;

// What a serial backend needs a second or so for; measuring it would take longer than it tells.
constexpr double kMostSerialFlops = 1e8;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

/// Of the ratios round by round.
double median_ratio(const BackendTimes& a, const BackendTimes& b) {
  std::vector<double> ratios;
  for (std::size_t r = 0; r < std::min(a.ms.size(), b.ms.size()); ++r) {
    ratios.push_back(a.ms[r] / b.ms[r]);
  }
  return median(std::move(ratios));
}

bool opens(const std::string& name, const BackendOptions& options) {
  try {
    return static_cast<bool>(backend(name, options));
  } catch (const Error&) {
    return false;
  }
}

/// Those that have bf16 numerics; throws with the reasons of all if there is none.
std::vector<std::string> candidates_in_bf16() {
  const BackendOptions options = {.numerics = Numerics::bf16};
  std::vector<std::string> names = plugins::by_preference(backend_names());
  std::erase_if(names, [&](const std::string& name) { return !opens(name, options); });
  if (names.empty()) backend("auto", options);
  return names;
}

std::vector<std::string> candidates(const Model& model, const StepKind& kind) {
  if (kind.numerics == Numerics::bf16) return candidates_in_bf16();
  const bool heavy = step_flops(model, kind) > kMostSerialFlops;
  std::vector<std::string> names;
  for (const std::string& name : plugins::by_preference(backend_names())) {
    if (!heavy || backend(name).runtime() != "serial") names.push_back(name);
  }
  return names.empty() ? backend_names() : names;
}

/// The median time of a step over about `seconds`, in ms.
double time_for(RandomStep& step, double seconds) {
  std::vector<double> ms;
  const auto elapsed = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto start = Clock::now();
  do {
    const auto one = Clock::now();
    step.run();
    ms.push_back(elapsed(one) * 1e3);
  } while (elapsed(start) < seconds);
  return median(std::move(ms));
}

}  // namespace

double step_flops(const Model& model, const StepKind& kind) {
  double macs = 0;
  for (const auto& layer : model.layers()) macs += static_cast<double>(layer.macs);
  const double forward = 2 * macs * static_cast<double>(kind.batch);
  return kind.purpose == Purpose::train ? 3 * forward : forward;
}

std::vector<BackendTimes> time_steps_here(const Model& model, const StepKind& kind,
                                          std::span<const std::string> backends) {
  constexpr int kRounds = 5;
  constexpr double kSeconds = 1;
  // Longer than threads that have nothing to do keep spinning.
  constexpr auto kPause = std::chrono::milliseconds(10);
  std::vector<BackendTimes> times;
  std::vector<std::unique_ptr<RandomStep>> steps;
  for (const std::string& name : backends) {
    times.push_back({name, {}});
    try {
      const Backend opened = backend(name, {.numerics = kind.numerics, .fallback = kind.fallback});
      steps.push_back(std::make_unique<RandomStep>(model, opened, kind));
      steps.back()->run();
    } catch (const Error&) {
      if (steps.size() == times.size()) steps.pop_back();
      steps.push_back(nullptr);
    }
  }
  const double slot =
      kSeconds / kRounds / static_cast<double>(std::max<std::size_t>(1, steps.size()));
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (steps[i] == nullptr) continue;
      std::this_thread::sleep_for(kPause);
      steps[i]->run();
      times[i].ms.push_back(time_for(*steps[i], slot));
    }
  }
  return times;
}

BackendChoice fastest_backend(const Model& model, const StepKind& kind, const StepTimer& timer) {
  const ChoiceCache cache(model, kind);
  if (auto kept = cache.recall()) return *kept;
  const std::vector<std::string> names = candidates(model, kind);
  std::vector<BackendTimes> times = timer(model, kind, names);
  std::erase_if(times, [](const BackendTimes& t) { return t.ms.empty(); });
  if (times.empty()) {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    throw PluginError("backend 'auto' found none that can take a step of model '" + model.name() +
                      "'; tried " + (list.empty() ? "none, no backend is ready" : list));
  }
  std::ranges::stable_sort(times, {}, [](const BackendTimes& t) { return median(t.ms); });
  BackendChoice choice{times[0].backend, median(times[0].ms), "", 0, true};
  if (times.size() > 1) {
    choice.runner_up = times[1].backend;
    choice.margin = median_ratio(times[1], times[0]) - 1;
    if (choice.margin < 0) {
      std::swap(choice.backend, choice.runner_up);
      choice.step_ms = median(times[1].ms);
      choice.margin = 1 / (1 + choice.margin) - 1;
    }
  }
  cache.remember(choice);
  return choice;
}

std::optional<BackendChoice> recall_fastest_backend(const Model& model, const StepKind& kind) {
  return ChoiceCache(model, kind).recall();
}

}  // namespace soma
