// soma compare as a child process: backends in lock-step, and run folders.
#include <gtest/gtest.h>

#include "odd_task.hpp"

namespace {

using nlohmann::json;

Words of_odd(const std::string& a, const std::string& b, const Words& more = {}) {
  Words words = {"compare",  a,         b,     "--model", "odd.json", "--data",
                 "idx:bars", "--batch", "311", "--steps", "4",        "--json"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Compare, FindsTheSameBitsOnExactBackends) {
  const SmallTask task;
  for (const std::string& backend : built_backends()) {
    const Words words = {"compare", "reference", backend + "@3", "--model", "small.json",
                         "--data",  "idx:bars",  "--steps",      "6",       "--json"};
    const Outcome outcome = task.execute(words);
    EXPECT_EQ(outcome.exit_code, 0) << command_line(words) << "\n" << outcome.out << outcome.err;
    const json result = outcome.json();
    ASSERT_TRUE(result.is_object());
    EXPECT_EQ(result["identical"], true);
    EXPECT_EQ(result["steps"], 6);
    EXPECT_GT(result["kernels"], 6 * 15);
    EXPECT_EQ(result["b"]["threads"], 3);
  }
}

TEST(Compare, HoldsABoundedBackendToItsBoundsKernelByKernel) {
  if (built_backends().back() != "onednn") GTEST_SKIP() << "needs a backend of the class bounded";
  const TemporaryFolder folder;
  const Words words = {"compare", "reference", "onednn:fast", "--model", "lenet5", "--data",
                       "glyphs",  "--batch",   "8",           "--steps", "3",      "--json"};
  const Outcome outcome = soma_command(words, folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  const json result = outcome.json();
  ASSERT_TRUE(result.is_object());
  EXPECT_EQ(result["passed"], true);
  EXPECT_EQ(result["identical"], false);
  EXPECT_EQ(result["steps"], 3);
  const json& first = result["first_difference"];
  EXPECT_EQ(first["step"], 1);
  EXPECT_EQ(first["b"]["class"], "bounded");
  EXPECT_EQ(first["a"]["canonical"], true);
  EXPECT_GT(first["ulp"], 0);
  EXPECT_LE(first["b"]["share_of_bound"], 1.0);
  ASSERT_FALSE(result["ops"].empty());
  for (const json& op : result["ops"]) {
    EXPECT_GT(op["worst_share"], 0.0) << op;
    EXPECT_LE(op["worst_share"], 1.0) << op;
  }
}

TEST(Compare, NamesTheOneElementThatABackendGetsWrong) {
  const OddTask task;
  EXPECT_EQ(task.execute(of_odd("reference", "faulty+reference")).exit_code, 0);
  const Fault planted("wrong_gradient");
  const Outcome outcome = task.execute(of_odd("reference", "faulty+reference"));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  const json result = outcome.json();
  ASSERT_TRUE(result.is_object()) << outcome.out << outcome.err;
  expect_the_fault(result["divergence"]);
  EXPECT_EQ(result["steps"], 1) << "whole steps before it";

  Words words = of_odd("reference", "faulty+reference");
  words.pop_back();
  const Outcome text = task.execute(words);
  for (const char* part :
       {"DIVERGED", "step     2 (epoch 1, its step 2)", "hidden, backward", "relu/1.bwd([9,7]",
        "element  41, [5,6] of output 0", "-7 (0xc0e00000)", "b OUTSIDE"}) {
    EXPECT_NE(text.out.find(part), std::string::npos) << part << "\n" << text.out;
  }
}

TEST(Compare, NamesTheKernelInWhichABackendDies) {
  const OddTask task;
  write_text(task.path("odd.json"), R"({"soma_model": 1, "name": "odd", "input": [28, 28, 1],
 "layers": [{"type": "flatten"}, {"type": "dense", "units": 17}, {"type": "layer_norm"},
            {"type": "activation", "name": "gate"}, {"type": "dense", "units": 2}]}
)");
  const Fault planted("crash");
  Words words = of_odd("faulty+reference", "reference");
  words[8] = "1";  // one sample of 17 numbers
  const Outcome outcome = task.execute(words);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  const json result = outcome.json();
  ASSERT_TRUE(result.is_object()) << outcome.out << outcome.err;
  const auto trouble = result["trouble"].get<std::string>();
  for (const char* part : {"faulty+reference", "step 1", "relu/1.fwd([1,17]", "SIGSEGV"}) {
    EXPECT_NE(trouble.find(part), std::string::npos) << trouble;
  }
}

TEST(Compare, OfRunFoldersNamesWhatDecidesTheDifference) {
  const SmallTask task;
  const Words exact = {"--numerics", "exact", "--backend", "reference", "--steps", "25"};
  const auto train = [&](const std::string& name, Words more) {
    more.insert(more.end(), exact.begin(), exact.end());
    return task.execute(task.train(name, more)).exit_code;
  };
  ASSERT_EQ(train("a", {"--lr", "0.001"}), 0);
  ASSERT_EQ(train("b", {"--lr", "0.002"}), 0);
  ASSERT_EQ(train("c", {"--lr", "0.001", "--threads", "3"}), 0);

  const Outcome outcome = task.execute({"compare", "a", "b", "--json"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  const json result = outcome.json();
  ASSERT_TRUE(result.is_object()) << outcome.out;
  ASSERT_EQ(result["config"].size(), 1u) << result["config"];
  EXPECT_EQ(result["config"][0]["field"], "optimizer.learning_rate");
  EXPECT_EQ(result["config"][0]["a"], "0.001");
  EXPECT_EQ(result["first_epoch"]["epoch"], 1);
  EXPECT_EQ(result["first_epoch"]["step"], 20);
  EXPECT_EQ(result["epochs"], 2);
  EXPECT_EQ(result["weights"]["parameter"], "conv2d_1.weight");
  EXPECT_EQ(result["weights"]["element"], 0);
  EXPECT_TRUE(result["replay"].is_null());

  const Outcome same = task.execute({"compare", "a", "c"});
  EXPECT_EQ(same.exit_code, 0) << same.out << same.err;
  EXPECT_NE(same.out.find("the runs are the same"), std::string::npos) << same.out;
  EXPECT_NE(same.out.find("threads"), std::string::npos) << same.out;
}

TEST(Compare, OfRunFoldersThatOnlyABackendTellsApartGoesToTheElement) {
  const OddTask task;
  const Fault planted("wrong_gradient");
  ASSERT_EQ(task.execute(task.train("right", "reference")).exit_code, 0);
  ASSERT_EQ(task.execute(task.train("wrong", "faulty")).exit_code, 0);
  const Outcome outcome = task.execute({"compare", "right", "wrong", "--json"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  const json result = outcome.json();
  ASSERT_TRUE(result.is_object()) << outcome.out << outcome.err;
  EXPECT_TRUE(result["config"].empty());
  EXPECT_EQ(result["first_epoch"]["epoch"], 1);
  EXPECT_EQ(result["weights"]["parameter"], "hidden.weight");
  expect_the_fault(result["replay"]["divergence"]);
}

TEST(Compare, SaysWhatIsWrongWithItsCommandLine) {
  const OddTask task;
  for (const Words& words :
       {Words{"compare", "tbb"}, Words{"compare", "tbb", "tbb@0"}, Words{"compare", "tbb", ":fast"},
        Words{"compare", "tbb", "tbb:quick"}, Words{"compare", "tbb", "bars"},
        Words{"compare", "bars", "bars", "--lr", "1"},
        Words{"compare", "tbb", "tbb", "--run", "bars", "--lr", "1"}}) {
    EXPECT_EQ(task.execute(words).exit_code, 2) << command_line(words);
  }
  const Outcome none = task.execute({"compare", "bars", "bars"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.err.find("bars is not a run folder: it has no config.json"), std::string::npos);
  const Outcome missing = task.execute(of_odd("reference", "nobody"));
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.out.find("backend 'nobody' not found"), std::string::npos) << missing.out;
}

}  // namespace
