#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <sstream>

#include "auto_backend.hpp"
#include "bench_report.hpp"
#include "child.hpp"
#include "command_line.hpp"
#include "commands.hpp"
#include "files.hpp"
#include "session.hpp"
#include "soma/model.hpp"
#include "workload.hpp"

using soma::bench::Case;
using soma::bench::Mode;

namespace {

const std::vector<std::string> kOpContestants = {"raw", "pytorch", "onednn", "onednn-exact", "tbb"};
const std::vector<std::string> kModelContestants = {
    "onednn", "onednn-exact", "tbb", "reference", "pytorch", "pytorch-tuned", "onnxruntime"};
const std::vector<std::string> kSuiteContestants = {
    "raw", "onednn", "onednn-exact", "tbb", "pytorch", "pytorch-tuned", "onnxruntime"};

struct Request {
  std::vector<std::string> models;
  bool ops = false, gate = false;
  std::string suite, only, backends;
  std::vector<int> threads;
  std::optional<std::int64_t> batch;
};

/// "a,b,c" as a list; UsageError if a name is empty.
std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    names.push_back(text.substr(start, end - start));
    if (names.back().empty()) throw UsageError("--backends: expected names like tbb,onednn-exact");
    start = end + 1;
  }
  return names;
}

/// "1,2" as a list; UsageError unless all are numbers from 1.
std::vector<int> thread_counts(const std::string& text) {
  if (text.empty()) return {usable_cpus()};
  std::vector<int> counts;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) {
    int count = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), count);
    if (read.ec != std::errc() || read.ptr != word.data() + word.size() || count < 1 ||
        count > 4096) {
      throw UsageError("--threads: expected numbers from 1 to 4096 like 1,2, got '" + text + "'");
    }
    if (std::ranges::find(counts, count) == counts.end()) counts.push_back(count);
  }
  return counts;
}

/// The contests for each number of threads, next to each other: they take turns too.
std::vector<Contest> for_all_threads(const std::vector<Contest>& contests,
                                     const std::vector<int>& threads) {
  std::vector<Contest> all;
  for (const Contest& contest : contests) {
    for (const int count : threads) {
      all.push_back(contest);
      all.back().threads = count;
    }
  }
  return all;
}

/// The asked-for contestants without the peers that are missing, which are noted.
std::vector<Contestant> contestants(const Request& request, const std::vector<std::string>& usual,
                                    BenchReport& report) {
  std::vector<Contestant> list;
  for (const auto& name : request.backends.empty() ? usual : split_names(request.backends)) {
    const std::string missing = is_peer(name) ? missing_peer(name) : "";
    const std::string note = name + " is left out: " + missing;
    if (missing.empty()) {
      list.push_back({name});
    } else if (std::ranges::find(report.notes, note) == report.notes.end()) {
      report.notes.push_back(note);
    }
  }
  return list;
}

std::vector<Contest> contests(const Request& request, BenchReport& report) {
  std::vector<Contest> list;
  if (request.ops) {
    for (const Case& c : soma::bench::cases()) {
      if (c.name.find(request.only) == std::string::npos || (request.gate && !c.target)) continue;
      list.push_back({.name = c.name, .group = std::string(c.ops.front().family()), .op_case = &c});
    }
    if (list.empty()) throw UsageError("--only: no case has '" + request.only + "' in its name");
    const auto taking_part = contestants(request, kOpContestants, report);
    for (Contest& contest : list) contest.contestants = taking_part;
  }
  const auto add = [&](const std::string& model, Mode mode, std::int64_t batch,
                       const std::vector<std::string>& usual) {
    list.push_back({.name = model,
                    .group = "model",
                    .mode = mode,
                    .batch = batch,
                    .contestants = contestants(request, usual, report)});
  };
  for (const std::string& model : request.models) {
    const std::string name = soma::Model::named(model).name();
    const std::int64_t batch = request.batch.value_or(soma::bench::workload_of(name).batch);
    for (const Mode mode : {Mode::train, Mode::infer}) add(model, mode, batch, kModelContestants);
  }
  if (request.suite.empty()) return list;
  for (const std::string& model : suite_models()) {
    if (model.find(request.only) == std::string::npos) continue;
    const std::int64_t batch = soma::bench::workload_of(model).batch;
    if (model != soma::bench::kTinyModel) {
      add(model, Mode::train, batch, kSuiteContestants);
      add(model, Mode::infer, batch, kSuiteContestants);
    }
    add(model, Mode::infer, 1, kSuiteContestants);
  }
  return list;
}

/// One line on a terminal that says what runs; elsewhere only what has to be said.
class ProgressLine {
 public:
  explicit ProgressLine(std::size_t total) : total_(total), terminal_(isatty(STDERR_FILENO) != 0) {}
  ~ProgressLine() {
    if (terminal_) std::cerr << kClear << std::flush;
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(std::size_t index, const std::string& what) const {
    if (!terminal_) return;
    std::cerr << kClear << "[" << index + 1 << "/" << total_ << "] " << what << std::flush;
  }
  void say(const std::string& what) const {
    std::cerr << (terminal_ ? kClear : "") << what << "\n";
  }

 private:
  static constexpr const char* kClear = "\r\033[K";
  std::size_t total_;
  bool terminal_;
};

/// What contests that differ in their threads alone miss of the gate's targets.
std::vector<Miss> missed_by(std::span<const Contest> group, const BenchReport& report) {
  std::vector<Miss> missed = missed_scaling(group);
  for (const Contest& contest : group) {
    if (contest.threads != report.most_threads()) continue;
    std::ranges::copy(missed_targets(contest), std::back_inserter(missed));
  }
  return missed;
}

std::string second_look(const Miss& miss, int rounds, int more) {
  return miss.name + ": " + miss.target + ": " + miss.found + " in " + std::to_string(rounds) +
         " rounds; takes " + std::to_string(more) + " more and is judged by all";
}

/// False if a signal stopped it; what was not run is dropped.
bool run_all(BenchReport& report, std::size_t together) {
  constexpr int kAgain = 2;  // times the rounds, where a target was missed
  const ProgressLine progress(report.contests.size());
  for (std::size_t i = 0; i < report.contests.size(); i += together) {
    const auto group = std::span(report.contests).subspan(i, together);
    const auto run = [&](int rounds) {
      return run_contests(group, rounds, report.options.seconds,
                          [&](int round, const Contest& contest, const std::string& contestant) {
                            progress.show(i, contest.name + "  round " + std::to_string(round + 1) +
                                                 " of " + std::to_string(rounds) + "  " +
                                                 contestant + ", " +
                                                 std::to_string(contest.threads) +
                                                 (contest.threads == 1 ? " thread" : " threads"));
                          });
    };
    bool finished = run(report.options.rounds);
    auto missed = report.gate ? missed_by(group, report) : std::vector<Miss>();
    if (finished && std::ranges::any_of(missed, &Miss::measured)) {
      const int more = kAgain * report.options.rounds;
      for (const Miss& miss : missed) {
        report.notes.push_back(second_look(miss, report.options.rounds, more));
        progress.say("bench: " + report.notes.back());
      }
      finished = run(more);
      missed = missed_by(group, report);
    }
    if (!finished) {
      report.contests.resize(i);
      return false;
    }
    for (const Contest& contest : group) {
      std::ranges::copy(unequal_bits(contest), std::back_inserter(report.missed));
    }
    std::ranges::copy(missed, std::back_inserter(report.missed));
  }
  return true;
}

std::vector<soma::bench::Peaks> measure_peaks(const std::vector<int>& threads) {
  std::vector<soma::bench::Peaks> all;
  for (const int count : threads) {
    const ChildResult said =
        run_self({"bench", "--child", "peaks", std::to_string(count)}, Complaints::show);
    if (said.exit_code == 0) all.push_back(soma::bench::peaks_from_json(said.output));
  }
  return all;
}

}  // namespace

int run_bench(Arguments args) {
  if (!args.empty() && args[0] == "--child") return run_bench_child(args);
  if (!args.empty() && args[0] == "--step-child") return run_step_child(args);
  Request request;
  bool json = false;
  std::string html, threads, save, compare;
  std::optional<std::int64_t> rounds;
  std::optional<double> seconds;
  CommandLine line(
      "bench", "[MODEL...] [--ops] [options]",
      "Times a training step and a prediction of models, and single ops, on the backends and their "
      "peers: each in a process of its own, taking turns, so that a drifting machine hits all "
      "alike. Ratios are taken round by round.");
  line.positionals("MODEL", &request.models)
      .flag("ops", &request.ops, "time the ops: the sizes that matter and one case of every op")
      .option("suite", &request.suite, "peers",
              "the models that peers are measured on: training, prediction, one sample at a time")
      .flag("gate", &request.gate,
            "with --ops or --suite: only what has a target; exit 1 if one is missed, naming it")
      .option("only", &request.only, "PART", "only the cases or models whose name has this part")
      .option(
          "backends", &request.backends, "LIST",
          "contestants, separated by commas: a backend, one with -exact or -bf16 behind it, raw "
          "(oneDNN called directly), pytorch, pytorch-tuned and onnxruntime (models)")
      .option("batch", &request.batch, "B", "samples per step of a model (default: by model)")
      .option("threads", &threads, "LIST", "of every contestant, such as 1,2 (default: all CPUs)")
      .option("rounds", &rounds, "R", "turns of every contestant (default: 3)")
      .option("seconds", &seconds, "S", "measured time of one turn (default: 0.25)")
      .flag("json", &json, "print one line of JSON")
      .option("html", &html, "FILE", "write a page with plots")
      .option("save", &save, "FILE", "keep the figures, to compare with later")
      .option("compare", &compare, "FILE", "say what moved against kept figures");
  if (!line.parse(args)) return 0;
  require_at_least("batch", request.batch, 1);
  require_at_least("rounds", rounds, 1);
  if (seconds && !(*seconds > 0)) throw UsageError("--seconds: expected a number above 0");
  const std::string suites[] = {"peers"};
  if (!request.suite.empty()) require_one_of("suite", request.suite, suites);
  const bool chosen = request.ops || !request.suite.empty();
  if (request.gate && !chosen) throw UsageError("--gate: goes with --ops or --suite");
  if (!chosen && request.models.empty()) {
    throw UsageError("bench: missing MODEL, --ops or --suite (see 'soma bench --help')");
  }

  const std::vector<int> counts = thread_counts(threads);
  BenchReport report;
  report.options = {static_cast<int>(rounds.value_or(3)), seconds.value_or(0.25)};
  report.gate = request.gate;
  report.suite = !request.suite.empty();
  report.contests = for_all_threads(contests(request, report), counts);
  for (const std::string& note : report.notes) std::cerr << "bench: " << note << "\n";
  std::optional<Baseline> baseline;
  if (!compare.empty()) baseline.emplace(compare);
  // As plugins are loaded: peers that use OpenMP are to wait as briefly for a core that is busy.
  setenv("GOMP_SPINCOUNT", "10000", 0);
  report.peaks = measure_peaks(counts);
  const bool finished = run_all(report, counts.size());
  const std::string figures = bench_json(report);
  if (baseline) report.moves = baseline->moves_to(figures);
  if (json) {
    std::cout << bench_json(report) << "\n";
  } else {
    print_bench_text(report, std::cout);
  }
  if (!save.empty()) write_file(save, figures + "\n");
  if (!html.empty()) write_file(html, bench_html(report));
  if (!finished) return 130;
  return report.missed.empty() ? 0 : 1;
}
