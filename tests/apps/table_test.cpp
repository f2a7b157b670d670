// A table from a file to a trained model to answers in the target's own words.
#include <gtest/gtest.h>

#include "command.hpp"

namespace {

using nlohmann::json;

/// Mixed types, missing values, quotes, CR LF; what a shopper does follows from two columns.
std::string shoppers() {
  std::string text = "id,\"Name, full\",age,city,income,\"Will buy?\"\r\n";
  for (int i = 0; i < 240; ++i) {
    const int age = 20 + i * 7 % 50;
    const bool paris = i % 3 == 0;
    const std::string answer = paris ? "probably" : age > 45 ? "\"maybe, later\"" : "never";
    text += std::to_string(i + 1) + ",\"Jo \"\"" + std::to_string(i) + "\"\"\"," +
            (i % 20 == 7 ? "" : std::to_string(age)) + "," +
            (paris        ? "Paris"
             : i % 2 == 0 ? "\"New York, NY\""
                          : "Rome") +
            "," + (i % 9 == 4 ? "NA" : std::to_string(1000 + i * 31 % 700) + ".50") + "," + answer +
            "\r\n";
  }
  return text;
}

class Table : public testing::Test {
 protected:
  void SetUp() override { write_text(folder_.path() / "shop.csv", shoppers()); }
  Outcome execute(const Words& arguments) const { return soma_command(arguments, folder_.path()); }
  TemporaryFolder folder_;
};

TEST_F(Table, TrainsWithOneCommandAndAnswersInItsWords) {
  const Outcome train = execute({"train", "tabular", "--data", "shop.csv", "--out", "run",
                                 "--backend", "reference", "--json"});
  ASSERT_EQ(train.exit_code, 0) << train.err;
  EXPECT_NE(train.err.find("column 'id' is left out: it numbers the rows"), std::string::npos);
  EXPECT_GT(train.json()["test_accuracy"], 0.9);

  write_text(folder_.path() / "new.csv",
             "city,age,income\nParis,30,1200\n\"New York, NY\",68,\nRome,21,1300\n");
  // From the model's file alone, too.
  for (const char* model : {"run", "run/model.safetensors"}) {
    const Outcome predict = execute({"predict", model, "--input", "new.csv", "--json"});
    ASSERT_EQ(predict.exit_code, 0) << predict.err;
    const json answers = predict.json()["predictions"];
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0]["top"][0]["name"], "probably");
    EXPECT_EQ(answers[1]["top"][0]["name"], "maybe, later");
    EXPECT_EQ(answers[2]["top"][0]["name"], "never");
  }
  // The same figures for the run's own test part; all rows of a file that is given.
  EXPECT_EQ(execute({"eval", "run", "--json"}).json()["test_accuracy"],
            train.json()["test_accuracy"]);
  EXPECT_EQ(
      execute({"eval", "run/model.safetensors", "--data", "shop.csv", "--json"}).json()["samples"],
      240);
}

TEST_F(Table, AnswersANumberInItsUnits) {
  std::string text = "metres,price\n";
  for (int i = 0; i < 100; ++i) {
    text +=
        std::to_string(i * 13 % 100) + "," + std::to_string(50000 + 1000 * (i * 13 % 100)) + "\n";
  }
  write_text(folder_.path() / "houses.csv", text);
  const Outcome train = execute({"train", "tabular", "--data", "csv:houses.csv?target=price",
                                 "--out", "run", "--backend", "reference"});
  ASSERT_EQ(train.exit_code, 0) << train.err;
  write_text(folder_.path() / "new.csv", "50\n");
  const Outcome predict = execute({"predict", "run", "--input", "new.csv", "--json"});
  EXPECT_NEAR(predict.json()["predictions"][0]["output"][0], 100000, 3000) << predict.err;
  EXPECT_EQ(execute({"predict", "run", "--input", "new.csv"}).out.find("price 1"), 0u);
}

TEST_F(Table, InfoTellsHowItIsRead) {
  const json info = execute({"data", "info", "csv:shop.csv?validation=0.1", "--json"}).json();
  EXPECT_EQ(info["validation"]["samples"], 24);
  EXPECT_EQ(info["columns"][1]["kind"], "left out");
  EXPECT_EQ(info["columns"][2]["inputs"], 2);
  EXPECT_EQ(info["columns"][5]["kind"], "target");
  EXPECT_EQ(info["notes"].size(), 2u);
}

TEST_F(Table, ThatIsDamagedLeavesNothingBehind) {
  write_text(folder_.path() / "bad.csv", "a,b,c\n1,2,yes\n3,4\n");
  const Outcome train = execute({"train", "tabular", "--data", "bad.csv", "--out", "run"});
  EXPECT_EQ(train.exit_code, 1);
  EXPECT_EQ(train.err, "soma: bad.csv:3: expected 3 cells as in the first line, found 2\n");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "run"));
}

}  // namespace
