#include <gtest/gtest.h>

#include <algorithm>

#include "small_task.hpp"

namespace {

using nlohmann::json;

/// A trained run that all tests here look at.
class TrainedRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    task_ = new SmallTask;
    trained_ = task_->execute(task_->train("run", {"--epochs", "4", "--lr", "0.005"}));
  }
  static void TearDownTestSuite() { delete task_; }
  void SetUp() override { ASSERT_EQ(trained_.exit_code, 0) << trained_.err; }

  static json query(const Words& arguments) {
    const Outcome outcome = task_->execute(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << command_line(arguments) << "\n" << outcome.err;
    const json result = outcome.json();
    EXPECT_TRUE(result.is_object()) << outcome.out;
    return result.is_object() ? result : json::object();
  }

  inline static SmallTask* task_ = nullptr;
  inline static Outcome trained_;
};

TEST_F(TrainedRun, EvalFindsTheFiguresOfTraining) {
  const json train = trained_.json();
  for (const Words& arguments :
       {Words{"eval", "run", "--json"},
        Words{"eval", "run/model.safetensors", "--data", "idx:bars", "--json"}}) {
    const json eval = query(arguments);
    EXPECT_EQ(eval["test_accuracy"], train["test_accuracy"]);
    EXPECT_NEAR(eval["test_loss"], train["test_loss"], 1e-5);
    EXPECT_EQ(eval["weights_sha256"], train["weights_sha256"]);
    EXPECT_EQ(eval["samples"], 100);
  }
}

TEST_F(TrainedRun, EvalOfAFileNeedsData) {
  EXPECT_EQ(task_->execute({"eval", "run/model.safetensors"}).exit_code, 2);
}

TEST_F(TrainedRun, PredictShowsTheLikeliestClasses) {
  for (const Words& input :
       {Words{"--input", "idx:bars#3"}, Words{"--data", "idx:bars", "--index", "3"}}) {
    Words arguments = {"predict", "run", "--top", "2", "--json"};
    arguments.insert(arguments.end(), input.begin(), input.end());
    const json result = query(arguments);
    ASSERT_EQ(result["predictions"].size(), 1u);
    const json& one = result["predictions"][0];
    EXPECT_EQ(one["truth"]["class"], 1);
    ASSERT_EQ(one["top"].size(), 2u);
    EXPECT_EQ(one["top"][0]["class"], 1);
    const double first = one["top"][0]["probability"], second = one["top"][1]["probability"];
    EXPECT_GE(first, second);
    EXPECT_NEAR(first + second, 1, 1e-5);
  }
}

TEST_F(TrainedRun, PredictReadsNumbersFromAFile) {
  std::string row = "0";
  for (int i = 1; i < 28 * 28; ++i) row += i % 2 == 0 ? ",0.5" : " 0.25";
  write_text(task_->run_path("two.csv"), row + "\n\n" + row + "\n");
  const json result = query({"predict", "run", "--input", "two.csv", "--json"});
  ASSERT_EQ(result["predictions"].size(), 2u);
  EXPECT_EQ(result["predictions"][0], result["predictions"][1]);

  write_text(task_->run_path("bad.csv"), row + "\n1,2,x\n");
  const Outcome bad = task_->execute({"predict", "run", "--input", "bad.csv"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_NE(bad.err.find("bad.csv:2: expected a number, found \"x\""), std::string::npos)
      << bad.err;
}

TEST_F(TrainedRun, PredictRefusesAnIndexOutsideTheData) {
  const Outcome outcome = task_->execute({"predict", "run", "--input", "idx:bars#100"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("0 to 99"), std::string::npos) << outcome.err;
}

TEST_F(TrainedRun, SummaryAgreesForModelRunAndFile) {
  const json model = query({"summary", "small.json", "--json"});
  EXPECT_EQ(model["parameters"], 5 * 26 + 180 * 17 + 17 + 17 * 2 + 2);
  EXPECT_EQ(model["input"], json({1, 28, 28, 1}));
  EXPECT_EQ(model["layers"].size(), 4u);
  EXPECT_EQ(query({"summary", "run", "--json"}), model);
  EXPECT_EQ(query({"summary", "run/model.safetensors", "--json"}), model);
}

TEST_F(TrainedRun, SummaryCountsTheDesignsLenet5) {
  const json model = query({"summary", "lenet5", "--batch", "64", "--json"});
  EXPECT_EQ(model["parameters"], 1663370);
  EXPECT_EQ(model["parameter_bytes"], 4 * 1663370);
  EXPECT_EQ(model["output"], json({64, 10}));
}

TEST_F(TrainedRun, DataInfoDescribesBothParts) {
  const json info = query({"data", "info", "idx:bars", "--json"});
  EXPECT_EQ(info["train"]["samples"], 320);
  EXPECT_EQ(info["train"]["shape"], json({28, 28, 1}));
  EXPECT_EQ(info["test"]["classes"],
            json({{{"name", "0"}, {"count", 50}}, {{"name", "1"}, {"count", 50}}}));
  EXPECT_NE(info["train"]["sha256"], info["test"]["sha256"]);
}

TEST_F(TrainedRun, DataListHasTheBuiltInSets) {
  const json list = query({"data", "list", "--json"});
  for (const char* name : {"glyphs", "iris", "xor"}) {
    bool available = false;
    for (const json& set : list["data"]) {
      if (set["name"] == name) available = set["available"];
    }
    EXPECT_TRUE(available) << name;
  }
}

TEST_F(TrainedRun, HumanOutputIsThereWithoutJson) {
  for (const Words& arguments :
       {Words{"eval", "run"}, Words{"predict", "run", "--input", "idx:bars#0"},
        Words{"summary", "lenet5"}, Words{"data", "list"}, Words{"data", "info", "idx:bars"},
        Words{"backends"}, Words{"plugins"}}) {
    const Outcome outcome = task_->execute(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << command_line(arguments) << "\n" << outcome.err;
    EXPECT_FALSE(outcome.out.empty()) << command_line(arguments);
  }
}

/// What GCC's OpenMP says of itself when it is loaded, if it is.
std::string spin_count(const std::string& wanted) {
  const TemporaryFolder folder;
  setenv("OMP_DISPLAY_ENV", "verbose", 1);
  if (!wanted.empty()) setenv("GOMP_SPINCOUNT", wanted.c_str(), 1);
  const Outcome outcome = soma_command({"backends"}, folder.path());
  for (const char* name : {"OMP_DISPLAY_ENV", "GOMP_SPINCOUNT"}) unsetenv(name);
  const std::string word = "GOMP_SPINCOUNT = '";
  const std::size_t at = outcome.err.find(word);
  if (at == std::string::npos) return outcome.err;
  const std::size_t begin = at + word.size();
  return outcome.err.substr(begin, outcome.err.find('\'', begin) - begin);
}

TEST(Backends, OpenmpSpinsBrieflyUnlessTheUserSaysOtherwise) {
  if (std::ranges::find(built_backends(), "onednn") == built_backends().end()) GTEST_SKIP();
  EXPECT_EQ(spin_count(""), "10000");
  EXPECT_EQ(spin_count("77"), "77");
}

}  // namespace
