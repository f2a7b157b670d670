// Texts and images drawn from trained models, and what comes next in a text.
#include <gtest/gtest.h>

#include "command.hpp"

namespace {

using nlohmann::json;

constexpr const char* kRecurrent = R"({"soma_model": 1, "name": "letters",
  "inputs": [{"name": "input", "shape": [6], "type": "i32"}], "layers": [
  {"type": "embedding", "vocab": 4, "units": 8}, {"type": "lstm", "units": 16},
  {"type": "dense", "units": 4, "last_axis": true}]})";

constexpr const char* kTransformer = R"({"soma_model": 1, "name": "letters",
  "inputs": [{"name": "input", "shape": [6], "type": "i32"}], "layers": [
  {"type": "embedding", "vocab": 4, "units": 16}, {"type": "positional_encoding", "kind": "learned"},
  {"type": "transformer_decoder_block", "heads": 2}, {"type": "dense", "units": 4, "last_axis": true}]})";

constexpr const char* kLooksAhead = R"({"soma_model": 1, "name": "letters",
  "inputs": [{"name": "input", "shape": [6], "type": "i32"}], "layers": [
  {"type": "embedding", "vocab": 4, "units": 8}, {"type": "lstm", "units": 8, "bidirectional": true},
  {"type": "dense", "units": 4, "last_axis": true}]})";

/// A text that says "abc" line by line, and a model that has learned so.
class Letters {
 public:
  explicit Letters(const std::string& model) {
    write_text(folder_.path() / "model.json", model);
    std::string text;
    for (int i = 0; i < 200; ++i) text += "abc\n";
    write_text(folder_.path() / "abc.txt", text);
    trained_ =
        execute({"train", "model.json", "--data", "text:abc.txt?context=6&stride=1", "--lr", "0.02",
                 "--steps", "60", "--backend", "reference", "--out", "run", "--json"});
  }
  Outcome execute(const Words& arguments) const { return soma_command(arguments, folder_.path()); }
  const Outcome& trained() const { return trained_; }
  const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
  Outcome trained_;
};

class SampleText : public testing::TestWithParam<const char*> {};

TEST_P(SampleText, GoesOnWithAPromptOfAnyLengthToTheSameTextOnEveryBackend) {
  const Letters letters(GetParam());
  ASSERT_EQ(letters.trained().exit_code, 0) << letters.trained().err;
  const std::string prompts[] = {"a", "bc\nabca", "abc\nabc\nabc\nab"};
  const std::string expected[] = {"bc\nabc\nabc\n", "bc\nabc\nabc\n", "c\nabc\nabc\na"};
  for (const std::string& backend : built_backends()) {
    for (std::size_t i = 0; i < 3; ++i) {
      const Outcome sample = letters.execute({"sample", "run", "--length", "11", "--temperature",
                                              "0", "--prompt", prompts[i], "--backend", backend});
      EXPECT_EQ(sample.exit_code, 0) << sample.err;
      EXPECT_EQ(sample.out, prompts[i] + expected[i] + "\n") << backend;
    }
  }
}

TEST_P(SampleText, DrawsTheSameTextForTheSameSeed) {
  const Letters letters(GetParam());
  const auto drawn = [&](const std::string& seed, const std::string& backend, const Words& more) {
    Words words = {"sample",    "run",   "--length",   "80",    "--seed",        seed,
                   "--backend", backend, "--numerics", "exact", "--temperature", "5",
                   "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = letters.execute(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.json().value("text", "");
  };
  const std::string text = drawn("1", "reference", {});
  EXPECT_EQ(text.size(), 80u);
  for (const std::string& backend : built_backends()) EXPECT_EQ(drawn("1", backend, {}), text);
  EXPECT_NE(drawn("2", "reference", {}), text);
  EXPECT_NE(drawn("1", "reference", {"--top-k", "2"}), text);
  EXPECT_EQ(drawn("1", "reference", {"--top-k", "1"}), drawn("3", "reference", {"--top-k", "1"}));
}

TEST_P(SampleText, PredictSaysWhatComesNext) {
  const Letters letters(GetParam());
  const Outcome outcome = letters.execute({"predict", "run", "--prompt", "abc\nab", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json top = outcome.json()["predictions"][0]["top"];
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0]["name"], "c");
  EXPECT_GT(top[0]["probability"], 0.8);
}

INSTANTIATE_TEST_SUITE_P(Of, SampleText, testing::Values(kRecurrent, kTransformer),
                         [](const auto& info) { return info.index == 0 ? "Lstm" : "Transformer"; });

TEST(SampleErrors, SayWhatWasExpected) {
  const Letters letters(kLooksAhead);
  ASSERT_EQ(letters.trained().exit_code, 0) << letters.trained().err;
  const struct {
    Words arguments;
    int exit_code;
    const char* part;
  } cases[] = {{{"sample", "run", "--prompt", "axe"}, 1, "not trained with the character 'x'"},
               {{"sample", "run", "--prompt", "abc"}, 1, "expected a text of 6 characters or more"},
               {{"sample", "run", "--temperature", "-1"}, 2, "--temperature"},
               {{"sample", "run", "--length", "0"}, 2, "--length"},
               {{"sample", "nothing"}, 1, "nothing"},
               {{"predict", "run", "--prompt", "abc", "--input", "-"}, 2, "--prompt"}};
  for (const auto& [arguments, exit_code, part] : cases) {
    const Outcome outcome = letters.execute(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << command_line(arguments) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  }
  // Enough text serves a model that looks ahead.
  EXPECT_EQ(letters.execute({"sample", "run", "--prompt", "abc\nabc", "--length", "3"}).exit_code,
            0);
}

std::uint32_t big_endian(const std::string& text, std::size_t at) {
  std::uint32_t n = 0;
  for (std::size_t i = at; i < at + 4; ++i) n = n << 8 | static_cast<unsigned char>(text[i]);
  return n;
}

TEST(SampleImages, DrawsTheSameGridOnEveryBackend) {
  const TemporaryFolder folder;
  const Outcome train =
      soma_command({"train", "vae", "--data", "glyphs", "--steps", "30", "--out", "run", "--json"},
                   folder.path());
  ASSERT_EQ(train.exit_code, 0) << train.err;
  EXPECT_EQ(train.json()["data"], "glyphs?target=input");
  EXPECT_EQ(train.json()["test_accuracy"], nullptr);
  std::string expected;
  for (const std::string& backend : built_backends()) {
    const Outcome sample =
        soma_command({"sample", "run", "--length", "7", "--backend", backend, "--numerics", "exact",
                      "--out", backend + ".png", "--json"},
                     folder.path());
    ASSERT_EQ(sample.exit_code, 0) << sample.err;
    EXPECT_EQ(sample.json()["image"], backend + ".png");
    const std::string image = read_text(folder.path() / (backend + ".png"));
    ASSERT_EQ(image.substr(1, 3), "PNG");
    EXPECT_EQ(big_endian(image, 16), 3u * 29 + 1);  // seven in rows of three
    EXPECT_EQ(big_endian(image, 20), 3u * 29 + 1);
    if (expected.empty()) expected = image;
    EXPECT_EQ(image, expected) << backend;
  }
  const Outcome refused = soma_command({"sample", "run", "--prompt", "x"}, folder.path());
  EXPECT_EQ(refused.exit_code, 2) << refused.err;
}

TEST(Models, AreListedWithTheirDataAndFigure) {
  const TemporaryFolder folder;
  const json models = soma_command({"models", "--json"}, folder.path()).json()["models"];
  ASSERT_EQ(models.size(), 16u);
  for (const json& model : models) {
    EXPECT_FALSE(model["data"].get<std::string>().empty()) << model;
    EXPECT_FALSE(model["figure"].get<std::string>().empty()) << model;
    EXPECT_GT(model["parameters"], 0) << model;
  }
  const Outcome text = soma_command({"models"}, folder.path());
  EXPECT_NE(text.out.find("char-gpt"), std::string::npos);
}

}  // namespace
