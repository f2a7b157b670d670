#include <gtest/gtest.h>

#include <algorithm>

#include "command.hpp"
#include "small_task.hpp"

namespace {

const char* const kCommands[] = {"train", "eval",       "predict",  "summary",
                                 "lint",  "data",       "backends", "plugins",
                                 "bench", "quickstart", "sample",   "models"};

TEST(Usage, PrintsItsVersion) {
  const TemporaryFolder folder;
  const Outcome outcome = soma_command({"--version"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, "soma " SOMA_VERSION "\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(Usage, HelpNamesEveryCommand) {
  const TemporaryFolder folder;
  const Outcome outcome = soma_command({"--help"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* command : kCommands) {
    EXPECT_NE(outcome.out.find(std::string("\n  ") + command + " "), std::string::npos) << command;
  }
}

TEST(Usage, EveryCommandHasHelp) {
  const TemporaryFolder folder;
  for (const char* command : kCommands) {
    const Outcome outcome = soma_command({command, "--help"}, folder.path());
    EXPECT_EQ(outcome.exit_code, 0) << command;
    EXPECT_EQ(outcome.out.find(std::string("soma ") + command), 0u) << outcome.out;
    EXPECT_EQ(outcome.err, "") << command;
  }
}

struct ErrorCase {
  const char* name;
  Words arguments;
  int exit_code;
  Words says;  ///< all of these
};
void PrintTo(const ErrorCase& c, std::ostream* out) { *out << c.name; }

// Runs in a folder with small.json, idx:bars and the files that the fixture adds.
const ErrorCase kErrors[] = {
    {"no_command", {}, 2, {"command"}},
    {"unknown_command", {"trian"}, 2, {"unknown command 'trian'", "'train'"}},
    {"unknown_option",
     {"train", "lenet5", "--data", "glyphs", "--epoch", "2"},
     2,
     {"unknown option '--epoch'", "'--epochs'"}},
    {"option_before_command", {"--versoin"}, 2, {"'--versoin'", "'--version'"}},
    {"abbreviated_option", {"train", "lenet5", "--dat", "glyphs"}, 2, {"'--dat'", "'--data'"}},
    {"option_without_value", {"train", "lenet5", "--data"}, 2, {"--data"}},
    {"not_a_number", {"train", "lenet5", "--data", "glyphs", "--epochs", "two"}, 2, {"two"}},
    {"zero_threads", {"train", "lenet5", "--data", "glyphs", "--threads", "0"}, 2, {"--threads"}},
    {"bad_rate", {"train", "lenet5", "--data", "glyphs", "--lr", "nan"}, 2, {"--lr"}},
    {"unknown_optimizer",
     {"train", "lenet5", "--data", "glyphs", "--optimizer", "adma"},
     2,
     {"sgd, momentum, adagrad", "'adma'"}},
    {"unknown_numerics",
     {"train", "lenet5", "--data", "glyphs", "--numerics", "exakt"},
     2,
     {"fast, exact, bf16", "'exakt'"}},
    {"epochs_and_steps",
     {"train", "lenet5", "--data", "glyphs", "--epochs", "1", "--steps", "1"},
     2,
     {"--epochs", "--steps"}},
    {"missing_model", {"train", "--data", "glyphs"}, 2, {"MODEL"}},
    {"missing_data", {"train", "small.json"}, 2, {"--data"}},
    {"one_argument_too_many", {"train", "a", "b", "--data", "glyphs"}, 2, {"train"}},
    {"plugin_path_without_folder", {"backends", "--plugin-path"}, 2, {"--plugin-path"}},
    {"resume_with_new_seed", {"train", "--resume", "run", "--seed", "2"}, 2, {"--seed"}},
    {"predict_without_input", {"predict", "x.safetensors"}, 2, {"--input"}},
    {"data_without_action", {"data"}, 2, {"ACTION"}},
    {"bench_without_anything", {"bench"}, 2, {"MODEL", "--ops"}},
    {"bench_gate_without_ops", {"bench", "lenet5", "--gate"}, 2, {"--gate", "--ops"}},
    {"bench_no_such_case", {"bench", "--ops", "--only", "convx"}, 2, {"--only", "'convx'"}},
    {"bench_empty_name", {"bench", "--ops", "--backends", "tbb,"}, 2, {"--backends"}},
    {"bench_no_seconds", {"bench", "lenet5", "--seconds", "0"}, 2, {"--seconds"}},
    {"data_unknown_action", {"data", "show"}, 2, {"list", "info", "'show'"}},

    {"unknown_model", {"train", "lenet6", "--data", "glyphs"}, 1, {"lenet6", "lenet5"}},
    {"unknown_data", {"train", "lenet5", "--data", "glyph"}, 1, {"'glyph'", "glyphs"}},
    {"missing_data_file", {"train", "lenet5", "--data", "idx:nowhere"}, 1, {"nowhere"}},
    {"missing_mnist", {"train", "lenet5", "--data", "idx:empty"}, 1, {"train-images"}},
    {"truncated_data", {"train", "small.json", "--data", "idx:cut"}, 1, {"train-images", "cut"}},
    {"model_is_not_json", {"train", "broken.json", "--data", "idx:bars"}, 1, {"broken.json:3"}},
    {"model_with_bad_field",
     {"train", "field.json", "--data", "idx:bars"},
     1,
     {"field.json:4", "units"}},
    {"shapes_do_not_fit",
     {"train", "lenet5", "--data", "iris"},
     1,
     {"[28,28,1]", "[4]", "lenet5", "iris"}},
    {"classes_do_not_fit",
     {"train", "small.json", "--data", "idx:many"},
     1,
     {"logits", "12 classes"}},
    {"unknown_backend",
     {"train", "small.json", "--data", "idx:bars", "--backend", "cuda"},
     1,
     {"'cuda'", "lib/soma"}},
    {"backend_without_bfloat16",
     {"train", "small.json", "--data", "idx:bars", "--backend", "tbb", "--numerics", "bf16"},
     1,
     {"'tbb' does not offer bf16 numerics"}},
    {"folder_cannot_be_made",
     {"train", "small.json", "--data", "idx:bars", "--backend", "reference", "--out",
      "small.json/run"},
     1,
     {"small.json/run", "Not a directory"}},
    {"folder_not_empty",
     {"train", "small.json", "--data", "idx:bars", "--backend", "reference", "--out", "bars"},
     1,
     {"bars", "not empty", "--resume"}},
    {"resume_nothing", {"train", "--resume", "nowhere"}, 1, {"nowhere", "does not exist"}},
    {"resume_no_run", {"train", "--resume", "bars"}, 1, {"bars", "config.json"}},
    {"eval_nothing", {"eval", "nowhere", "--data", "iris"}, 1, {"nowhere"}},
    {"eval_no_model", {"eval", "small.json", "--data", "iris"}, 1, {"small.json"}},
    {"bench_unknown_model", {"bench", "lenet6"}, 1, {"lenet6", "lenet5"}},
    {"summary_nothing", {"summary", "nowhere"}, 1, {"nowhere", "lenet5"}},
};

class CommandErrors : public testing::TestWithParam<ErrorCase> {
 protected:
  void SetUp() override {
    namespace fs = std::filesystem;
    const fs::path& folder = task_.folder().path();
    write_text(folder / "broken.json",
               "{\"soma_model\": 1,\n \"name\": \"broken\",\n \"input\": [4,}\n");
    write_text(folder / "field.json",
               "{\"soma_model\": 1, \"name\": \"field\", \"input\": [28, 28, 1],\n"
               " \"loss\": \"softmax_cross_entropy\",\n \"layers\": [\n"
               "  {\"type\": \"dense\", \"units\": \"ten\"}\n ]}\n");
    fs::create_directory(folder / "empty");
    for (const char* copy : {"cut", "many"}) fs::copy(folder / "bars", folder / copy);
    fs::resize_file(folder / "cut" / "train-images-idx3-ubyte", 10000);
    std::string labels = read_text(folder / "many" / "train-labels-idx1-ubyte");
    labels.back() = 11;
    write_text(folder / "many" / "train-labels-idx1-ubyte", labels);
    for (const auto& entry : fs::directory_iterator(folder)) before_.push_back(entry.path());
  }

  SmallTask task_;
  std::vector<std::filesystem::path> before_;
};

TEST_P(CommandErrors, IsOneSentenceAndLeavesNothingBehind) {
  const ErrorCase& c = GetParam();
  const Outcome outcome = task_.execute(c.arguments);
  SCOPED_TRACE(command_line(c.arguments) + "\n" + outcome.err);
  EXPECT_EQ(outcome.exit_code, c.exit_code);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.find("soma: "), 0u);
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1);
  for (const std::string& text : c.says) {
    EXPECT_NE(outcome.err.find(text), std::string::npos) << "should say: " << text;
  }
  for (const auto& entry : std::filesystem::directory_iterator(task_.folder().path())) {
    EXPECT_NE(std::ranges::find(before_, entry.path()), before_.end()) << "left: " << entry.path();
  }
}

INSTANTIATE_TEST_SUITE_P(All, CommandErrors, testing::ValuesIn(kErrors),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(CpuWithoutBfloat16, IsAReasonToRefuse) {
  SmallTask task;
  setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE", 1);  // what such a CPU would have at most
  const Outcome outcome = task.execute(
      {"train", "small.json", "--data", "idx:bars", "--backend", "onednn", "--numerics", "bf16"});
  unsetenv("ONEDNN_MAX_CPU_ISA");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("need a CPU with AVX-512 BF16 or AMX"), std::string::npos)
      << outcome.err;
}

}  // namespace
