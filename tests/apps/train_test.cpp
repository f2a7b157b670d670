#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "small_task.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<std::string> lines_of(const fs::path& file) {
  std::istringstream in(read_text(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Train, ExactWeightsAreTheSameOnEveryBackendAndThreadCount) {
  const SmallTask task;
  std::string expected;
  for (const std::string& backend : built_backends()) {
    for (const char* threads : {"1", "2", "4"}) {
      const Words arguments = task.train(
          backend + threads,
          {"--backend", backend, "--threads", threads, "--numerics", "exact", "--steps", "30"});
      const Outcome outcome = task.execute(arguments);
      ASSERT_EQ(outcome.exit_code, 0) << command_line(arguments) << "\n" << outcome.err;
      const json result = outcome.json();
      EXPECT_EQ(result.at("backend"), backend);
      EXPECT_EQ(result.at("threads"), std::stoi(threads));
      const auto hash = result.at("weights_sha256").get<std::string>();
      if (expected.empty()) expected = hash;
      EXPECT_EQ(hash, expected) << command_line(arguments);
    }
  }
}

TEST(Train, Lenet5OnGlyphsHasTheSameExactWeightsOnEveryBackend) {
  const TemporaryFolder folder;
  std::string expected;
  for (const std::string& backend : built_backends()) {
    const Words arguments = {"train",   "lenet5",     "--data", "glyphs",  "--backend",
                             backend,   "--numerics", "exact",  "--steps", "4",
                             "--batch", "32",         "--out",  backend,   "--json"};
    const Outcome outcome = soma_command(arguments, folder.path());
    ASSERT_EQ(outcome.exit_code, 0) << command_line(arguments) << "\n" << outcome.err;
    const auto hash = outcome.json().at("weights_sha256").get<std::string>();
    if (expected.empty()) expected = hash;
    EXPECT_EQ(hash, expected) << command_line(arguments);
  }
}

TEST(Train, JsonHasAllKeysAndNothingElseIsOnStdout) {
  const SmallTask task;
  const Outcome outcome = task.execute(task.train("run", {"--epochs", "2", "--seed", "7"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json result = outcome.json();
  ASSERT_TRUE(result.is_object()) << outcome.out;
  std::vector<std::string> keys;
  const auto ordered = nlohmann::ordered_json::parse(outcome.out);
  for (const auto& [key, value] : ordered.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"run",
                                            "model",
                                            "data",
                                            "backend",
                                            "numerics",
                                            "threads",
                                            "seed",
                                            "steps",
                                            "epochs",
                                            "train_loss",
                                            "test_loss",
                                            "test_accuracy",
                                            "seconds",
                                            "data_seconds",
                                            "samples_per_second",
                                            "best_epoch",
                                            "stopped_early",
                                            "rewinds",
                                            "weights_sha256",
                                            "metrics",
                                            "peak_memory_bytes",
                                            "checkpoint_stall_seconds"}));
  EXPECT_EQ(result.at("run"), "run");
  EXPECT_EQ(result.at("model"), "small");
  EXPECT_EQ(result.at("data"), "idx:bars");
  EXPECT_EQ(result.at("numerics"), "fast");
  EXPECT_EQ(result.at("seed"), 7);
  EXPECT_EQ(result.at("steps"), 2 * SmallTask::kStepsPerEpoch);
  EXPECT_EQ(result.at("epochs"), 2);
  EXPECT_EQ(result.at("weights_sha256").get<std::string>().size(), 64u);
  EXPECT_GT(result.at("samples_per_second"), 0);
}

TEST(Train, LearnsTheTask) {
  const SmallTask task;
  const Outcome outcome = task.execute(task.train("run", {"--epochs", "6", "--lr", "0.005"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_GE(outcome.json().at("test_accuracy"), 0.95) << outcome.err;
}

TEST(Train, FillsTheRunFolder) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--epochs", "3"})).exit_code, 0);
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(task.run_path("run"))) {
    const std::string name = entry.path().filename();
    const bool events = name.starts_with("events.out.tfevents.");  // and a time, host, process
    files.push_back(events ? "events.out.tfevents" : name);
  }
  std::ranges::sort(files);
  EXPECT_EQ(files,
            (Words{"best.safetensors", "certificate.json", "checkpoint.safetensors",
                   "checkpoint.safetensors.previous", "config.json", "events.out.tfevents",
                   "health.csv", "metrics.csv", "model.safetensors", "report.html", "steps.csv"}));
  const std::string report = read_text(task.run_path("run") / "report.html");
  for (const char* part : {"<svg", "Confusion", "Kernels", "Configuration", "</html>"}) {
    EXPECT_NE(report.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(report.find("http"), std::string::npos) << "the report asks for something outside";
}

TEST(Train, MetricsHaveOneRowPerEpoch) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--epochs", "3"})).exit_code, 0);
  const auto lines = lines_of(task.run_path("run") / "metrics.csv");
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(
      lines[0],
      "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,seconds,"
      "samples_per_second,learning_rate,data_seconds,test_top5_accuracy,test_precision,"
      "test_recall,test_f1,test_perplexity,test_bits_per_character,test_mae,test_rmse,test_r2");
  for (int epoch = 1; epoch <= 3; ++epoch) {
    std::istringstream row(lines[static_cast<std::size_t>(epoch)]);
    std::vector<double> cells;
    for (std::string cell; std::getline(row, cell, ',');) {
      cells.push_back(cell.empty() ? -1 : std::stod(cell));
    }
    ASSERT_EQ(cells.size(), 18u) << lines[static_cast<std::size_t>(epoch)];
    EXPECT_EQ(cells[0], epoch);
    EXPECT_EQ(cells[1], epoch * SmallTask::kStepsPerEpoch);
    EXPECT_GT(cells[2], 0);
    EXPECT_GE(cells[3], 0);
    EXPECT_LE(cells[5], 1);
    EXPECT_GT(cells[7], 0);
  }
}

TEST(Train, RegularizesAsAskedAndKeepsItWithTheRun) {
  const SmallTask task;
  const auto hash_of = [&](const Words& arguments) {
    const Outcome outcome = task.execute(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << command_line(arguments) << "\n" << outcome.err;
    return outcome.json().value("weights_sha256", "");
  };
  const Words exact = {"--numerics", "exact", "--backend", "reference"};
  const auto with = [&](const std::string& run, Words more) {
    more.insert(more.end(), exact.begin(), exact.end());
    return task.train(run, more);
  };
  std::set<std::string> hashes = {hash_of(with("plain", {"--steps", "12"}))};
  for (const std::string option : {"l1", "l2", "clip-value", "clip-norm", "max-norm"}) {
    hashes.insert(hash_of(with(option, {"--steps", "12", "--" + option, "0.01"})));
  }
  hashes.insert(hash_of(with("schedule", {"--steps", "12", "--schedule", "cosine(warmup=3)"})));
  EXPECT_EQ(hashes.size(), 7u);
  // Resumed, the run goes on as it began.
  hash_of(with("part", {"--steps", "5", "--clip-norm", "0.01"}));
  const auto whole = hash_of(with("whole", {"--steps", "12", "--clip-norm", "0.01"}));
  EXPECT_EQ(hash_of(task.resume("part", {"--steps", "12"})), whole);
}

TEST(Train, MakesANewRunFolderEachTime) {
  const SmallTask task;
  for (const char* run : {"runs/small-idx-bars-1", "runs/small-idx-bars-2"}) {
    const Outcome outcome = task.execute(
        {"train", "small.json", "--data", "idx:bars", "--batch", "16", "--steps", "2", "--json"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.json().at("run"), run);
  }
}

TEST(Train, AutoSaysWhichBackendItTook) {
  const SmallTask task;
  const Outcome outcome = task.execute(task.train("run", {"--steps", "2"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(
      outcome.err.find("backend auto: took " + outcome.json().at("backend").get<std::string>()),
      std::string::npos)
      << outcome.err;
}

TEST(Train, AutoMeasuresOnceWhatIsWorthIt) {
  const SmallTask task;
  const TemporaryFolder cache;
  setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  for (const std::string when : {"measured now", "measured before"}) {
    const Outcome outcome = task.execute({"train", "mlp", "--data", "idx:bars", "--batch", "256",
                                          "--epochs", "130", "--out", when.substr(9), "--json"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto took =
        outcome.err.find("backend auto: took " + outcome.json().at("backend").get<std::string>());
    ASSERT_NE(took, std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("ms a step", took), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(when, took), std::string::npos) << outcome.err;
  }
  unsetenv("XDG_CACHE_HOME");
}

TEST(Train, ReportsAMissingBackendBeforeItMakesAFolder) {
  const SmallTask task;
  EXPECT_EQ(task.execute(task.train("run", {"--backend", "nothing"})).exit_code, 1);
  EXPECT_FALSE(fs::exists(task.run_path("run")));
}

}  // namespace
