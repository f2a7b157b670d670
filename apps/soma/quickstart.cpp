#include <signal.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "child.hpp"
#include "command_line.hpp"
#include "files.hpp"
#include "session.hpp"
#include "soma/dataset.hpp"
#include "table.hpp"

namespace fs = std::filesystem;

namespace {

constexpr int kStopped = 130;
constexpr const char* kQuickSteps = "100";

struct Part {
  const char* backend;
  const char* numerics;
};

// One hot threading runtime a process: each part trains in its own child.
constexpr Part kParts[] = {
    {"reference", "exact"}, {"tbb", "exact"}, {"onednn", "exact"}, {"onednn", "fast"}};

bool has_mnist() {
  const auto sets = soma::data::list();
  return std::ranges::any_of(sets,
                             [](const auto& set) { return set.name == "mnist" && set.available; });
}

fs::path new_folder(const std::string& out) {
  if (!out.empty()) {
    if (!make_folder(out) && !fs::is_empty(out)) {
      throw soma::StateError("folder " + out + " is not empty; name another one");
    }
    return out;
  }
  for (int n = 1;; ++n) {
    const fs::path folder = fs::path("runs") / ("quickstart-" + std::to_string(n));
    if (make_folder(folder)) return folder;
  }
}

std::string fixed(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// Trains in a child process and returns the JSON that it printed; none if it was interrupted.
std::optional<nlohmann::json> train(const Part& part, const std::string& data, const fs::path& run,
                                    const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"train",     "lenet5",     "--data",     data,
                                        "--backend", part.backend, "--numerics", part.numerics,
                                        "--out",     run.string(), "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const ChildResult child = run_self(arguments);
  if (child.exit_code == kStopped || child.exit_code == 128 + SIGINT) return std::nullopt;
  const std::string what = std::string("training on ") + part.backend + " (" + part.numerics + ")";
  if (child.exit_code != 0) {
    throw soma::StateError(what + " failed with exit code " + std::to_string(child.exit_code));
  }
  auto result = nlohmann::json::parse(child.output, nullptr, false);
  if (!result.is_object()) throw soma::StateError(what + " printed no result");
  return result;
}

}  // namespace

int run_quickstart(Arguments args) {
  std::string out;
  std::optional<std::int64_t> threads;
  bool quick = false;
  CommandLine line("quickstart", "[options]",
                   "Trains lenet5 for an epoch on each backend: with exact numerics on "
                   "reference, tbb and onednn,\nwhich must end with the same bits, and with fast "
                   "numerics on onednn. Takes mnist if it is here, else glyphs.");
  line.option("out", &out, "DIR", "folder of the runs, new or empty (default runs/quickstart-<n>)")
      .option("threads", &threads, "N", "threads; all usable CPUs if absent")
      .flag("quick", &quick, "100 steps on each instead of an epoch");
  if (!line.parse(args)) return 0;
  require_at_least("threads", threads, 1);

  const std::string data = has_mnist() ? "mnist" : "glyphs";
  const fs::path folder = new_folder(out);
  std::cerr << "lenet5 on " << data << ", "
            << (quick ? kQuickSteps + std::string(" steps") : "one epoch")
            << " on each backend, runs in " << folder.string() << "\n";

  std::vector<std::string> more = {"--schedule", "constant"};
  more.insert(more.end(), {quick ? "--steps" : "--epochs", quick ? kQuickSteps : "1"});
  if (threads) more.insert(more.end(), {"--threads", std::to_string(*threads)});
  Table table({{"backend"},
               {"numerics"},
               {"accuracy", Table::Align::right},
               {"seconds", Table::Align::right},
               {"samples/s", Table::Align::right},
               {"weights"}});
  std::set<std::string> exact_hashes;
  fs::path report;
  for (const Part& part : kParts) {
    const fs::path run = folder / (std::string(part.backend) + "-" + part.numerics);
    const auto result = train(part, data, run, more);
    if (!result) return kStopped;
    const std::string hash = result->at("weights_sha256").get<std::string>();
    if (part.numerics == std::string("exact")) exact_hashes.insert(hash);
    table.add({part.backend, part.numerics, percent(result->at("test_accuracy").get<double>()),
               fixed(result->at("seconds").get<double>(), 1),
               grouped(std::llround(result->at("samples_per_second").get<double>())),
               hash.substr(0, 12)});
    report = RunFolder{run}.report();
  }
  std::cout << "\n";
  table.print(std::cout);
  std::cout << "\n";
  if (exact_hashes.size() != 1) {
    throw soma::StateError("the exact runs differ: their weights have " +
                           std::to_string(exact_hashes.size()) + " hashes, expected one");
  }
  std::cout << "The exact runs ended with the same bits. Open " << fs::absolute(report).string()
            << "\n";
  return 0;
}
