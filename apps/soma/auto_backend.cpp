#include "auto_backend.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "run_config.hpp"
#include "session.hpp"
#include "timing.hpp"
#include "worker_process.hpp"

using nlohmann::json;

namespace {

using Clock = std::chrono::steady_clock;

// About a second of work: below that, measuring costs more than the best choice gains.
constexpr double kWorthMeasuring = 1e11;
constexpr double kWorthLoading = 2e9;    // some 20 ms
constexpr double kLeastStepFlops = 2e6;  // what a step costs however little it computes

constexpr int kRounds = 5;
constexpr double kSeconds = 1;        // of measuring, all backends together
constexpr double kHopeless = 4;       // times the best
constexpr double kCheapMs = 100;      // a step that measuring can afford however slow it is
constexpr double kPatience = 120;     // seconds for the first to come up
constexpr double kLeastPatience = 3;  // for the others

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The next line that the process says within so many seconds, as JSON; null if there is none.
json answer(WorkerProcess& process, double seconds) {
  const auto start = Clock::now();
  while (true) {
    if (const auto line = process.next_line()) return json::parse(*line, nullptr, false);
    const double left = seconds - seconds_since(start);
    pollfd ready{process.output(), POLLIN, 0};
    if (left <= 0 || poll(&ready, 1, static_cast<int>(left * 1e3) + 1) == 0) return nullptr;
    if (!process.read_some()) return nullptr;
  }
}

std::string question_for(const soma::Model& model, const soma::StepKind& step) {
  return json{{"architecture", model.to_json()},
              {"training", step.purpose == soma::Purpose::train},
              {"batch", step.batch},
              {"threads", step.threads},
              {"numerics", name_of(step.numerics)},
              {"optimizer", step.optimizer.type},
              {"fallback", step.fallback}}
      .dump();
}

struct Runner {
  std::unique_ptr<WorkerProcess> process;
  double first_ms = 0;
};

std::string figures(const soma::BackendChoice& choice) {
  char text[160];
  std::snprintf(text, sizeof text, "%.3g ms a step", choice.step_ms);
  if (choice.runner_up.empty()) return text + std::string(", no other can take it");
  std::string more = text;
  std::snprintf(text, sizeof text, "; %s takes %.1f %% longer", choice.runner_up.c_str(),
                100 * choice.margin);
  return more + text;
}

/// The first that is ready of onednn, tbb, reference; for next to no work of tbb and those: oneDNN
/// takes longer to load than the others.
std::string quick_to_load(const soma::StepKind& step, double work) {
  const soma::BackendOptions options = {.numerics = step.numerics, .fallback = step.fallback};
  if (work < kWorthLoading) {
    try {
      return soma::backend("tbb", options).name();
    } catch (const soma::Error&) {
      // then what there is
    }
  }
  return soma::backend("auto", options).name();
}

}  // namespace

std::string auto_backend(const soma::Model& model, const soma::StepKind& step, std::int64_t steps,
                         bool tell) {
  const double work =
      static_cast<double>(steps) * std::max(kLeastStepFlops, soma::step_flops(model, step));
  const auto kept = soma::recall_fastest_backend(model, step);
  if (!kept && work < kWorthMeasuring) {
    const std::string name = quick_to_load(step, work);
    if (tell) {
      std::cerr << "backend auto: took " << name
                << ", the first that is ready; so short a run is not worth measuring\n";
    }
    return name;
  }
  const soma::BackendChoice choice =
      kept ? *kept : soma::fastest_backend(model, step, time_steps_in_children);
  if (choice.measured || tell) {
    std::cerr << "backend auto: took " << choice.backend << ", " << figures(choice) << " ("
              << (step.purpose == soma::Purpose::train ? "training" : "prediction") << ", batch "
              << step.batch << ", " << (choice.measured ? "measured now" : "measured before")
              << ")\n";
  }
  return choice.backend;
}

std::vector<soma::BackendTimes> time_steps_in_children(const soma::Model& model,
                                                       const soma::StepKind& step,
                                                       std::span<const std::string> backends) {
  const std::string question = question_for(model, step);
  std::vector<soma::BackendTimes> times;
  std::vector<Runner> runners;
  double patience = kPatience, best_ms = 0;
  for (const std::string& name : backends) {
    times.push_back({name, {}});
    Runner& runner = runners.emplace_back();
    const auto start = Clock::now();
    runner.process =
        std::make_unique<WorkerProcess>(std::vector<std::string>{"bench", "--step-child", name});
    runner.process->send(question);
    const json said = answer(*runner.process, patience);
    if (!said.is_object() || !said.contains("first_ms")) {
      runner.process = nullptr;
      continue;
    }
    runner.first_ms = said["first_ms"];
    patience = std::min(patience, std::max(kLeastPatience, kHopeless * seconds_since(start)));
    best_ms = best_ms == 0 ? runner.first_ms : std::min(best_ms, runner.first_ms);
  }
  std::ptrdiff_t left = 0;
  for (Runner& runner : runners) {
    const bool hopeless = runner.first_ms > std::max(kCheapMs, kHopeless * best_ms);
    if (hopeless) runner.process = nullptr;
    left += runner.process != nullptr ? 1 : 0;
  }
  const std::string slot =
      std::to_string(kSeconds / kRounds / static_cast<double>(std::max<std::ptrdiff_t>(1, left)));
  const auto start = Clock::now();
  for (int round = 0; round < kRounds; ++round) {
    // Where a step takes long, fewer rounds have to do.
    if (round > 0 && seconds_since(start) > 3 * kSeconds) break;
    for (std::size_t i = 0; i < runners.size(); ++i) {
      if (runners[i].process == nullptr) continue;
      runners[i].process->send(slot);
      const json said = answer(*runners[i].process, kPatience);
      if (said.is_object() && said.contains("ms")) {
        times[i].ms.push_back(said["ms"]);
      } else {
        runners[i].process = nullptr;
        times[i].ms.clear();
      }
    }
  }
  return times;
}

int run_step_child(std::span<const std::string> args) {
  const auto say = [](const json& what) { std::cout << what.dump() << std::endl; };
  std::string line;
  std::getline(std::cin, line);
  std::optional<soma::RandomStep> step;
  try {
    const json asked = json::parse(line);
    soma::StepKind kind;
    kind.purpose = asked.at("training") ? soma::Purpose::train : soma::Purpose::infer;
    kind.batch = asked.at("batch");
    kind.threads = asked.at("threads");
    kind.numerics = numerics_from_name(asked.at("numerics"));
    kind.optimizer = soma::optimizer_from_name(asked.at("optimizer").get<std::string>());
    kind.fallback = asked.at("fallback");
    const soma::Backend backend =
        soma::backend(args[1], {.numerics = kind.numerics, .fallback = kind.fallback});
    step.emplace(soma::Model::from_json(asked.at("architecture").get<std::string>()), backend,
                 kind);
    step->run();
    const auto start = Clock::now();
    step->run();
    say({{"first_ms", seconds_since(start) * 1e3}});
  } catch (const soma::Error& e) {
    say({{"unsupported", e.what()}});
    return 0;
  }
  while (std::getline(std::cin, line)) {
    say({{"ms", soma::bench::time(std::stod(line), [&] { step->run(); }).median}});
  }
  return 0;
}
