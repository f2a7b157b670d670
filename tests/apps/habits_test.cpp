#include <gtest/gtest.h>

#include "small_task.hpp"

namespace {

namespace fs = std::filesystem;

const Words kExact = {"--numerics", "exact", "--backend", "tbb"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Habits, StopEarlyWithTheBestModel) {
  const SmallTask task;
  // With so small a rate no epoch is better by a whole unit.
  const Outcome outcome =
      task.execute(task.train("run", with(kExact, {"--epochs", "40", "--lr", "1e-6", "--patience",
                                                   "2", "--min-delta", "1", "--restore-best"})));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto result = outcome.json();
  EXPECT_EQ(result.at("stopped_early"), true);
  EXPECT_EQ(result.at("steps"), 3 * SmallTask::kStepsPerEpoch);
  EXPECT_EQ(result.at("best_epoch"), 3);  // a little better all the same
  EXPECT_TRUE(fs::exists(task.run_path("run") / "best.safetensors"));
  // It has ended; more patience lets it go on.
  const auto again = task.execute(task.resume("run", {})).json();
  EXPECT_EQ(again.at("weights_sha256"), result.at("weights_sha256"));
  const auto patient = task.execute(task.resume("run", {"--patience", "4"})).json();
  EXPECT_EQ(patient.at("steps"), 5 * SmallTask::kStepsPerEpoch);
}

TEST(Habits, SaveTheMovingAverage) {
  const SmallTask task;
  const auto plain = task.execute(task.train("plain", with(kExact, {"--epochs", "2"}))).json();
  const auto average =
      task.execute(task.train("average", with(kExact, {"--epochs", "2", "--average", "0.99"})))
          .json();
  EXPECT_NE(plain.at("weights_sha256"), average.at("weights_sha256"));
  EXPECT_EQ(plain.at("train_loss"), average.at("train_loss"));
  // What was told is what the saved model does.
  const auto again =
      task.execute({"eval", "average", "--data", "idx:bars", "--json", "--numerics", "exact"})
          .json();
  EXPECT_EQ(again.at("test_loss"), average.at("test_loss"));
}

TEST(Habits, TransferAndFreeze) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("first", with(kExact, {"--epochs", "1"}))).exit_code, 0);
  const Outcome second = task.execute(
      task.train("second", with(kExact, {"--epochs", "1", "--from", "first", "--freeze",
                                         "conv2d*,dense_3", "--seed", "7"})));
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_NE(second.err.find("from first: took 6 of 6 parameters"), std::string::npos) << second.err;
  // Resumed before anything else was saved, when the other run is gone.
  ASSERT_EQ(task.execute(task.train("third", with(kExact, {"--steps", "9", "--from", "first"})))
                .exit_code,
            0);
  const auto third = task.execute(task.resume("third", {"--steps", "12"})).json();
  const Outcome odd = task.execute(task.train("odd", {"--freeze", "nothing*"}));
  EXPECT_EQ(odd.exit_code, 1);
  EXPECT_NE(odd.err.find("nothing fits 'nothing*'"), std::string::npos) << odd.err;
  EXPECT_FALSE(fs::exists(task.run_path("odd")));
}

TEST(Habits, NameTheNaNAndKeepTheCheckpoint) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", with(kExact, {"--steps", "9", "--optimizer", "sgd",
                                                         "--lr", "0.01"})))
                .exit_code,
            0);
  const Outcome hot = task.execute(
      task.train("hot", with(kExact, {"--steps", "30", "--optimizer", "sgd", "--lr", "1e38"})));
  EXPECT_EQ(hot.exit_code, 1);
  EXPECT_NE(hot.err.find("step "), std::string::npos) << hot.err;
  EXPECT_NE(hot.err.find(" in "), std::string::npos) << hot.err;
  EXPECT_NE(hot.err.find(" of layer "), std::string::npos) << hot.err;
  EXPECT_NE(read_text(task.run_path("hot") / "report.html").find("stopped: step"),
            std::string::npos);
  const Outcome rewound = task.execute(task.train(
      "rewound",
      with(kExact, {"--steps", "30", "--optimizer", "sgd", "--lr", "1e38", "--on-nan", "rewind"})));
  EXPECT_EQ(rewound.exit_code, 1);
  EXPECT_NE(rewound.err.find("(rewind 3)"), std::string::npos) << rewound.err;
  EXPECT_NE(rewound.err.find("soma train --resume rewound"), std::string::npos) << rewound.err;
}

struct Wrong {
  Words words;
  const char* message;
};

TEST(HabitOptions, AreChecked) {
  const SmallTask task;
  const Wrong cases[] = {{{"--accumulate", "0"}, "--accumulate"},
                         {{"--average", "1"}, "--average: expected a number of 0 or more, below 1"},
                         {{"--watch", "colour"}, "--watch"},
                         {{"--on-nan", "ignore"}, "--on-nan"},
                         {{"--nan-check", "some"}, "--nan-check"}};
  for (const Wrong& wrong : cases) {
    const Outcome outcome = task.execute(task.train("run", wrong.words));
    EXPECT_EQ(outcome.exit_code, 2) << wrong.message;
    EXPECT_NE(outcome.err.find(wrong.message), std::string::npos) << outcome.err;
  }
}

}  // namespace
