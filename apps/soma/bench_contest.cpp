#include "bench_contest.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "child.hpp"
#include "peaks.hpp"
#include "soma/error.hpp"

namespace fs = std::filesystem;
using soma::bench::Measured;
using soma::bench::Mode;

namespace {

/// Debian's own interpreter, the one that sees python3-torch, unless the user names another.
std::string python() {
  const char* named = std::getenv("SOMA_PEER_PYTHON");
  return named != nullptr && *named != '\0' ? named : "/usr/bin/python3";
}
bool imports(const std::string& modules) {
  return run_program({python(), "-c", "import " + modules}).exit_code == 0;
}

fs::path beside_executable(const fs::path& relative) {
  return (fs::read_symlink("/proc/self/exe").parent_path() / relative).lexically_normal();
}
fs::path raw_program() { return beside_executable("soma_bench_peers"); }
fs::path script(const std::string& name) { return beside_executable("../share/soma/bench") / name; }

/// The words that start a contestant's process; "soma" stands for this program.
std::vector<std::string> words_for(const Contest& contest, const std::string& contestant,
                                   double measured_seconds) {
  const std::string threads = std::to_string(contest.threads);
  const std::string seconds = std::to_string(measured_seconds);
  const std::string batch = std::to_string(contest.batch), mode = name_of(contest.mode);
  if (contestant == "raw" && contest.op_case != nullptr) {
    return {raw_program().string(), contest.name, threads, seconds};
  }
  if (contestant == "raw") {
    return {raw_program().string(), "--model", contest.name, mode, batch, threads, seconds};
  }
  if (is_peer(contestant)) {
    std::vector<std::string> words = {python(), "-B"};
    if (contestant == "onnxruntime") {
      for (const auto& word : {script("onnxruntime_models.py").string(), contest.name, mode, batch,
                               threads, seconds}) {
        words.push_back(word);
      }
    } else if (contest.op_case != nullptr) {
      for (const auto& word :
           {script("pytorch_ops.py").string(), threads, seconds, ops_json(*contest.op_case)}) {
        words.push_back(word);
      }
    } else {
      for (const auto& word : {script("pytorch_models.py").string(), contest.name, mode, contestant,
                               batch, threads, seconds}) {
        words.push_back(word);
      }
    }
    return words;
  }
  std::vector<std::string> words = {"soma",  "bench", "--child",   contestant,
                                    threads, seconds, contest.name};
  if (contest.op_case == nullptr) words.insert(words.end(), {mode, batch});
  return words;
}

/// Takes what a process printed.
void record(Contestant& contestant, const ChildResult& result) {
  auto& round = contestant.rounds.emplace_back();
  const auto said = nlohmann::json::parse(result.output, nullptr, false);
  if (!said.is_object()) {
    contestant.reason = "ended with exit code " + std::to_string(result.exit_code);
    return;
  }
  if (said.contains("unsupported")) {
    contestant.reason = said["unsupported"];
    return;
  }
  round = soma::bench::Timing{said["median_ms"], said["min_ms"], said["max_ms"],
                              said.value("p99_ms", 0.0)};
  if (const auto b = said.find("breakdown"); b != said.end()) {
    contestant.breakdown =
        soma::bench::Breakdown{(*b)["total_ms"], (*b)["kernels_ms"], (*b)["packs_ms"],
                               (*b)["work"].get<std::vector<std::pair<double, double>>>()};
  }
  contestant.implementation = said["implementation"];
  contestant.exactness = said["class"];
  contestant.fingerprint = said["fingerprint"];
}

}  // namespace

bool Contestant::ran() const {
  return std::ranges::any_of(rounds, [](const auto& round) { return round.has_value(); });
}

std::vector<double> Contestant::medians() const {
  std::vector<double> list;
  for (const auto& round : rounds) {
    if (round) list.push_back(round->median);
  }
  return list;
}

double Contestant::p99_ms() const {
  std::vector<double> list;
  for (const auto& round : rounds) {
    if (round) list.push_back(round->p99);
  }
  return spread(std::move(list)).median;
}

const Contestant* Contest::find(const std::string& contestant) const {
  const auto found = std::ranges::find(contestants, contestant, &Contestant::name);
  return found == contestants.end() ? nullptr : &*found;
}

Spread spread(std::vector<double> figures) {
  std::ranges::sort(figures);
  const double median = (figures[(figures.size() - 1) / 2] + figures[figures.size() / 2]) / 2;
  return {median, figures.front(), figures.back()};
}

std::optional<Spread> ratio(const Contestant* a, const Contestant* b) {
  if (a == nullptr || b == nullptr) return std::nullopt;
  std::vector<double> ratios;
  for (std::size_t r = 0; r < std::min(a->rounds.size(), b->rounds.size()); ++r) {
    if (a->rounds[r] && b->rounds[r]) ratios.push_back(a->rounds[r]->median / b->rounds[r]->median);
  }
  if (ratios.empty()) return std::nullopt;
  return spread(std::move(ratios));
}

bool is_peer(const std::string& contestant) {
  return contestant == "raw" || contestant == "pytorch" || contestant == "pytorch-tuned" ||
         contestant == "onnxruntime";
}

std::string missing_peer(const std::string& contestant) {
  if (contestant == "raw") {
    return fs::exists(raw_program()) ? "" : "there is no " + raw_program().string();
  }
  if (!fs::exists(script("pytorch_ops.py"))) {
    return "there is no " + script("pytorch_ops.py").string();
  }
  if (contestant == "onnxruntime") {
    static const bool both = imports("torch, onnxruntime");
    return both ? ""
                : python() +
                      " cannot import torch and onnxruntime (SOMA_PEER_PYTHON names "
                      "another interpreter)";
  }
  static const bool importable = imports("torch");
  return importable ? "" : python() + " cannot import torch (python3-torch)";
}

std::pair<std::string, soma::Numerics> backend_of(const std::string& contestant) {
  for (const soma::Numerics numerics : {soma::Numerics::exact, soma::Numerics::bf16}) {
    const std::string suffix = std::string("-") + name_of(numerics);
    if (contestant.ends_with(suffix)) {
      return {contestant.substr(0, contestant.size() - suffix.size()), numerics};
    }
  }
  return {contestant, soma::Numerics::fast};
}

bool run_contests(std::span<Contest> contests, int rounds, double seconds,
                  const std::function<void(int, const Contest&, const std::string&)>& show) {
  constexpr int kInterrupted = 130;
  for (int round = 0; round < rounds; ++round) {
    for (Contest& contest : contests) {
      for (Contestant& contestant : contest.contestants) {
        // What cannot run does not come to be able to.
        if (!contestant.rounds.empty() && !contestant.ran()) continue;
        show(round, contest, contestant.name);
        auto words = words_for(contest, contestant.name, seconds);
        const bool self = words.front() == "soma";
        if (self) words.erase(words.begin());
        const ChildResult result = self ? run_self(words, Complaints::drop) : run_program(words);
        if (result.exit_code == kInterrupted) return false;
        record(contestant, result);
      }
    }
  }
  return true;
}

int run_bench_child(std::span<const std::string> args) {
  try {
    if (args[1] == "peaks") {
      std::cout << to_json(soma::bench::measure_peaks(std::stoi(args[2]))) << "\n";
      return 0;
    }
    const std::string& contestant = args[1];
    const int threads = std::stoi(args[2]);
    const double seconds = std::stod(args[3]);
    const auto [name, numerics] = backend_of(contestant);
    const soma::Backend backend = soma::backend(name, {.numerics = numerics});
    const Measured measured =
        args.size() == 5
            ? time_ops(soma::bench::find_case(args[4]), backend, threads, seconds)
            : soma::bench::time_model(args[4], args[5] == "infer" ? Mode::infer : Mode::train,
                                      std::stoll(args[6]), backend, threads, seconds);
    std::cout << to_json(measured) << "\n";
  } catch (const soma::Error& e) {
    std::cout << soma::bench::unsupported_json(e.what()) << "\n";
  }
  return 0;
}
