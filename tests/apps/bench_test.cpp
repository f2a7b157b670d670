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

}  // namespace
