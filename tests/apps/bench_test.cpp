#include <gtest/gtest.h>

#include <set>

#include "small_task.hpp"

namespace {

using nlohmann::json;

Words quick(Words words) {
  for (const char* word : {"--rounds", "2", "--seconds", "0.001", "--threads", "1"}) {
    words.emplace_back(word);
  }
  return words;
}

void expect_times(const json& result) {
  EXPECT_GT(result["median_ms"], 0);
  EXPECT_LE(result["min_ms"], result["median_ms"]);
  EXPECT_GE(result["max_ms"], result["median_ms"]);
  EXPECT_EQ(result["threads"], 1);
}

TEST(Bench, TimesAnOpOnEveryBackend) {
  const TemporaryFolder folder;
  std::string names;
  for (const std::string& backend : built_backends()) {
    names += (names.empty() ? "" : ",") + backend + "," + backend + "-exact";
  }
  const Outcome outcome =
      soma_command(quick({"bench", "--ops", "--only", "softmax_cross_entropy/1.bwd", "--backends",
                          names, "--json"}),
                   folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = outcome.json();
  ASSERT_TRUE(report.is_object()) << outcome.out;
  EXPECT_EQ(report["results"].size(), 2 * built_backends().size());
  EXPECT_TRUE(report["missed"].empty()) << report["missed"];
  for (const json& result : report["results"]) {
    expect_times(result);
    EXPECT_EQ(result["op"], "softmax_cross_entropy/1.bwd");
    EXPECT_EQ(result["mode"], "train");
    EXPECT_EQ(result["ratios"].size(), report["results"].size() - 1);
  }
  EXPECT_EQ(report["results"][1]["numerics"], "exact");
}

TEST(Profile, SaysWhereTheTimeOfAStepGoes) {
  const SmallTask task;
  for (const std::string mode : {"train", "infer"}) {
    const Outcome outcome =
        task.execute({"profile", "small.json", "--batch", "3", "--backend", "reference", "--steps",
                      "2", "--mode", mode, "--trace", mode + ".trace", "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const json report = outcome.json();
    ASSERT_TRUE(report.is_object()) << outcome.out;
    std::set<std::string> phases;
    double sum = 0;
    for (const json& kernel : report["kernels"]) {
      EXPECT_GE(kernel["us"], 0);
      EXPECT_NE(kernel["implementation"], "");
      phases.insert(kernel["phase"]);
      sum += kernel["us"].get<double>();
    }
    EXPECT_NEAR(sum, report["kernels_us"].get<double>() + report["packs_us"].get<double>(),
                1e-6 * sum);
    const std::set<std::string> all = {"forward", "backward", "update"}, forward = {"forward"};
    EXPECT_EQ(phases, mode == "train" ? all : forward);
    EXPECT_GT(report["flops"], 0);
    EXPECT_GT(report["planned_bytes"], 0);
    const json trace = json::parse(read_text(task.folder().path() / (mode + ".trace")));
    EXPECT_EQ(trace["traceEvents"].size(), report["kernels"].size());
  }
}

TEST(Profile, CountsAllocationsAndTellsTheIdealPlan) {
  const SmallTask task;
  const Outcome outcome = task.execute({"profile", "small.json", "--backend", "reference",
                                        "--steps", "1", "--threads", "1", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = outcome.json();
  EXPECT_LE(report["ideal_bytes"], report["planned_bytes"]);
  EXPECT_GT(report["ideal_bytes"], 0);
  EXPECT_EQ(report["planned_bytes"],
            report["arena_bytes"].get<int>() + report["pack_bytes"].get<int>());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_EQ(report["allocations"], 0);
  for (const json& kernel : report["kernels"]) EXPECT_EQ(kernel["allocations"], 0) << kernel;
#endif
}

TEST(Profile, AddsRowsUpByLayerAndOp) {
  const SmallTask task;
  for (const std::string by : {"layer", "op"}) {
    const Outcome outcome = task.execute(
        {"profile", "small.json", "--backend", "reference", "--steps", "1", "--by", by});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const bool names_ops = outcome.out.find("linear/1.fwd") != std::string::npos;
    EXPECT_EQ(names_ops, by == "op") << outcome.out;
  }
}

TEST(Profile, PrintsARowForEachKernel) {
  const SmallTask task;
  const Outcome outcome =
      task.execute({"profile", "small.json", "--backend", "reference", "--steps", "1"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("linear/1.bwd_weights"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("outside kernels"), std::string::npos) << outcome.out;
}

TEST(Bench, TimesTrainingAndPredictionOfAModel) {
  const SmallTask task;
  const Outcome outcome = task.execute(quick({"bench", "small.json", "--batch", "3", "--backends",
                                              "reference", "--html", "page.html", "--json"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = outcome.json();
  ASSERT_EQ(report["results"].size(), 2u) << outcome.out;
  std::set<std::string> modes;
  for (const json& result : report["results"]) {
    expect_times(result);
    modes.insert(result["mode"]);
    EXPECT_EQ(result["model"], "small.json");
    EXPECT_EQ(result["batch"], 3);
    EXPECT_EQ(result["backend"], "reference");
    EXPECT_NEAR(result["samples_per_second"], 3 / result["median_ms"].get<double>() * 1e3, 1e-6);
  }
  EXPECT_EQ(modes, (std::set<std::string>{"train", "infer"}));
  const std::string page = read_text(task.run_path("page.html"));
  EXPECT_EQ(page.find("<!DOCTYPE html>"), 0u);
  EXPECT_EQ(page.find("http"), std::string::npos);
}

TEST(Bench, SaysHowNearToTheMachineAndWhatMoreThreadsBring) {
  const SmallTask task;
  const Outcome outcome = task.execute({"bench", "small.json", "--batch", "3", "--backends",
                                        "reference", "--rounds", "1", "--seconds", "0.001",
                                        "--threads", "1,2", "--save", "kept.json", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = outcome.json();
  ASSERT_EQ(report["peaks"].size(), 2u);
  for (const json& peaks : report["peaks"]) {
    EXPECT_GT(peaks["gflops"], 0);
    for (const json& b : peaks["bandwidth"]) EXPECT_GT(b["gbytes_per_second"], 0);
  }
  ASSERT_EQ(report["results"].size(), 4u);
  for (const json& result : report["results"]) {
    EXPECT_GT(result["gflops"], 0);
    EXPECT_GT(result["gbytes_per_second"], 0);
    EXPECT_GT(result["roofline_share"], 0);
    EXPECT_GE(result["outside_share"], 0);
    EXPECT_LE(result["outside_share"], 1);
    EXPECT_GE(result["packs_share"], 0);
    EXPECT_GT(result["p99_ms"], 0);
  }
  EXPECT_EQ(json::parse(read_text(task.run_path("kept.json")))["results"], report["results"]);
}

TEST(Bench, TellsWhatMovedBeyondTheSpread) {
  const SmallTask task;
  const Words words = {"bench",    "small.json", "--batch",   "3",     "--backends", "reference",
                       "--rounds", "2",          "--seconds", "0.001", "--threads",  "1"};
  const auto with = [&](const Words& more) {
    Words all = words;
    all.insert(all.end(), more.begin(), more.end());
    return task.execute(all);
  };
  ASSERT_EQ(with({"--save", "kept.json", "--json"}).exit_code, 0);
  json kept = json::parse(read_text(task.run_path("kept.json")));
  // As if the machine had been a thousand times faster at one and slower at the other.
  for (const char* key : {"median_ms", "min_ms", "max_ms"}) {
    kept["results"][0][key] = kept["results"][0][key].get<double>() / 1000;
    kept["results"][1][key] = kept["results"][1][key].get<double>() * 1000;
  }
  write_text(task.run_path("kept.json"), kept.dump());
  const json moves = with({"--compare", "kept.json", "--json"}).json()["moves"];
  ASSERT_EQ(moves["slower"].size(), 1u) << moves;
  ASSERT_EQ(moves["faster"].size(), 1u) << moves;
  EXPECT_EQ(moves["slower"][0]["name"], "small.json, train, batch 3, reference fast, 1 thread");
  EXPECT_EQ(moves["same"], 0);
  write_text(task.run_path("kept.json"), "{}");
  const Outcome damaged = with({"--compare", "kept.json"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_NE(damaged.err.find("kept.json: expected figures that"), std::string::npos) << damaged.err;
}

TEST(Bench, GateNamesTheBackendThatDidNotRun) {
  const TemporaryFolder folder;
  // The folder holds no plugin called tbb that works.
  write_text(folder.path() / "libsoma_tbb.so", "no library");
  const Outcome outcome =
      soma_command(quick({"bench", "--plugin-path", folder.path().string(), "--ops", "--gate",
                          "--only", "matmul:256", "--backends", "tbb,onednn"}),
                   folder.path());
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("matmul:256: tbb at most 2 x onednn: did not run"), std::string::npos)
      << outcome.out;
}

/// Answers for PyTorch: FIRST ms in the first two rounds, LATER ms after them; counts its rounds.
constexpr const char* kPeer = R"(#!/bin/sh
[ "$1" = -c ] && exit 0
echo >> "$0.count"
if [ $(wc -l < "$0.count") -le 2 ]; then ms=$FIRST; else ms=$LATER; fi
for key in median_ms min_ms max_ms; do printf '%s"%s":%s' "${comma-{}" $key $ms; comma=,; done
echo ',"implementation":"","class":"","fingerprint":""}'
)";

TEST(Bench, GateLooksAgainBeforeItJudges) {
  const TemporaryFolder folder;
  const auto peer = folder.path() / "python", calls = folder.path() / "python.count";
  write_text(peer, kPeer);
  std::filesystem::permissions(peer, std::filesystem::perms::owner_all);
  setenv("SOMA_PEER_PYTHON", peer.c_str(), 1);
  const auto gate = [&](const char* first, const char* later) {
    setenv("FIRST", first, 1);
    setenv("LATER", later, 1);
    write_text(calls, "");
    return soma_command(quick({"bench", "--ops", "--gate", "--only", "softmax:4096x1000.fwd",
                               "--backends", "onednn,pytorch", "--json"}),
                        folder.path());
  };
  const auto rounds = [&] { return read_text(calls).size(); };
  constexpr const char *kFast = "1e-6", *kSlow = "1e9";

  Outcome outcome = gate(kSlow, kSlow);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(rounds(), 2u);

  outcome = gate(kFast, kSlow);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(rounds(), 6u);
  EXPECT_NE(outcome.err.find("in 2 rounds; takes 4 more"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.json()["notes"].size(), 1u) << outcome.out;

  outcome = gate(kFast, kFast);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out;
  EXPECT_EQ(rounds(), 6u);
  EXPECT_EQ(outcome.json()["missed"].size(), 1u) << outcome.out;
  for (const char* name : {"SOMA_PEER_PYTHON", "FIRST", "LATER"}) unsetenv(name);
}

}  // namespace
