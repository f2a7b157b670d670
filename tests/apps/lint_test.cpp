// soma lint: each rule has a model or data set that it speaks about, and those of the house pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "command.hpp"

namespace {

using nlohmann::json;

/// [{"code", "severity", "layer", ...}] of a run of the command; its exit code to `exit_code`.
json findings_of(const Words& arguments, const TemporaryFolder& folder, int* exit_code = nullptr) {
  Words words = {"lint"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.emplace_back("--json");
  const Outcome outcome = soma_command(words, folder.path());
  if (exit_code != nullptr) *exit_code = outcome.exit_code;
  const json result = outcome.json();
  EXPECT_TRUE(result.is_object()) << command_line(words) << "\n" << outcome.out << outcome.err;
  return result.is_object() ? result.at("findings") : json::array();
}

const json* find(const json& findings, const std::string& code) {
  for (const json& finding : findings) {
    if (finding.at("code") == code) return &finding;
  }
  return nullptr;
}

/// So many dense layers of 16 units, then one of 3.
std::string dense_stack(int depth, const std::string& fields) {
  std::string layers;
  for (int i = 0; i < depth; ++i) layers += R"({"type":"dense","units":16,)" + fields + "},";
  return layers + R"({"type":"dense","units":3})";
}

struct Rule {
  const char* name;
  const char *code, *severity;
  std::string layers;
  Words options = {};
  const char* loss = R"("softmax_cross_entropy")";
  const char* input = "[4]";
  const char* more = "";
};
void PrintTo(const Rule& rule, std::ostream* out) { *out << rule.name; }

class LintRules : public testing::TestWithParam<Rule> {};

TEST_P(LintRules, SpeakAboutTheModelTheyAreFor) {
  const Rule& rule = GetParam();
  const TemporaryFolder folder;
  write_text(folder.path() / "model.json", R"({"soma_model":1,"name":"m","input":)" +
                                               std::string(rule.input) + R"(,"loss":)" + rule.loss +
                                               rule.more + R"(,"layers":[)" + rule.layers + "]}");
  Words words = {"model.json"};
  words.insert(words.end(), rule.options.begin(), rule.options.end());
  int exit_code = -1;
  const json findings = findings_of(words, folder, &exit_code);
  const json* finding = find(findings, rule.code);
  ASSERT_NE(finding, nullptr) << findings.dump(1);
  EXPECT_EQ(finding->at("severity"), rule.severity);
  EXPECT_FALSE(finding->at("why").get<std::string>().empty());
  EXPECT_FALSE(finding->at("cure").get<std::string>().empty());
  const bool fatal =
      std::ranges::any_of(findings, [](const json& f) { return f.at("severity") == "error"; });
  EXPECT_EQ(exit_code, fatal ? 1 : 0);
  words.emplace_back("--strict");
  findings_of(words, folder, &exit_code);
  EXPECT_EQ(exit_code, fatal || std::string(rule.severity) == "warning" ? 1 : 0);
}

const std::string kOut = R"({"type":"dense","units":3})";
const std::string kHidden = R"({"type":"dense","units":8,"activation":"relu"},)";

INSTANTIATE_TEST_SUITE_P(
    All, LintRules,
    testing::Values(
        Rule{"sigmoids", "deep-saturating-stack", "warning",
             dense_stack(5, R"("activation":"sigmoid")")},
        Rule{"tanhs", "deep-saturating-stack", "warning", dense_stack(9, R"("activation":"tanh")")},
        Rule{"zeros", "zero-init", "error", dense_stack(1, R"("init":"zeros")")},
        Rule{"normal_of_0", "zero-init", "error", dense_stack(1, R"x("init":"normal(0)")x")},
        Rule{"constant", "constant-init", "error", dense_stack(1, R"x("init":"constant(0.1)")x")},
        Rule{"wide", "init-scale", "warning",
             dense_stack(2, R"x("activation":"relu","init":"normal(10)")x")},
        Rule{"narrow", "init-scale", "warning",
             dense_stack(2, R"x("activation":"relu","init":"normal(0.001)")x")},
        Rule{"xavier_relu", "init-activation", "info",
             dense_stack(2, R"("activation":"relu","init":"xavier_uniform")")},
        Rule{"deep_xavier_relu", "init-activation", "warning",
             dense_stack(9, R"("activation":"relu","init":"xavier_uniform")")},
        Rule{"he_tanh", "init-activation", "info",
             dense_stack(2, R"("activation":"tanh","init":"he_normal")")},
        Rule{"softmax", "softmax-before-loss", "error", kOut + R"(,{"type":"softmax"})"},
        Rule{"log_softmax", "softmax-before-loss", "info", kOut + R"(,{"type":"log_softmax"})"},
        Rule{"relu_logits", "loss-output", "error",
             R"({"type":"dense","units":3,"activation":"relu"})"},
        Rule{"sigmoid_bce",
             "loss-output",
             "error",
             R"({"type":"dense","units":1,"activation":"sigmoid"})",
             {},
             R"("binary_cross_entropy_with_logits")"},
        Rule{"one_class", "loss-output", "error", R"({"type":"dense","units":1})"},
        Rule{"kl", "loss-output", "error", kOut, {}, R"("kl_divergence")"},
        Rule{"adam_1",
             "learning-rate",
             "error",
             kHidden + kOut,
             {"--optimizer", "adam", "--lr", "1"}},
        Rule{"sgd_1",
             "learning-rate",
             "warning",
             kHidden + kOut,
             {"--optimizer", "sgd", "--lr", "1"}},
        Rule{
            "sgd_0", "learning-rate", "error", kHidden + kOut, {"--optimizer", "sgd", "--lr", "0"}},
        Rule{"adam_small",
             "learning-rate",
             "warning",
             kHidden + kOut,
             {"--optimizer", "adam", "--lr", "1e-8"}},
        Rule{"dead",
             "dead-relu",
             "warning",
             kHidden + kHidden + kOut,
             {"--optimizer", "momentum", "--lr", "0.15"}},
        Rule{"unused", "unused-layer", "warning",
             R"({"type":"dense","name":"a","units":8},{"type":"dense","name":"b","units":8},)"
             R"({"type":"dense","name":"c","units":3,"inputs":["a"]})"},
        Rule{"no_loss",
             "output-without-loss",
             "warning",
             R"({"type":"dense","name":"a","units":8},{"type":"dense","name":"b","units":3},)"
             R"({"type":"dense","name":"c","units":3,"inputs":["a"]})",
             {},
             R"("softmax_cross_entropy")",
             "[4]",
             R"(,"outputs":["b","c"])"},
        Rule{"norm_of_1",
             "batch-norm-single",
             "error",
             kHidden + R"({"type":"batch_norm"},)" + kOut,
             {"--batch", "1"}},
        Rule{"bias_norm", "bias-before-norm", "info",
             R"({"type":"dense","units":8},{"type":"batch_norm"},{"type":"activation"},)" + kOut},
        Rule{"dropout_last", "dropout-at-output", "error", kOut + R"(,{"type":"dropout"})"},
        Rule{"dropout_number",
             "dropout-at-output",
             "warning",
             kHidden + R"({"type":"dropout"},)" + kOut,
             {},
             R"("mean_squared_error")"},
        Rule{"dropout_norm", "dropout-before-norm", "warning",
             kHidden + R"({"type":"dropout"},{"type":"batch_norm"},)" + kOut},
        Rule{"dropout_most", "heavy-dropout", "warning",
             kHidden + R"({"type":"dropout","rate":0.9},)" + kOut},
        Rule{"plain_deep", "no-skip-connections", "warning",
             dense_stack(25, R"("activation":"relu")")},
        Rule{"long_rnn",
             "recurrent-without-clipping",
             "info",
             R"({"type":"rnn","units":4},{"type":"dense","units":3,"last_axis":true})",
             {},
             R"("softmax_cross_entropy")",
             "[100,2]"},
        Rule{"mismatch", "data-mismatch", "error", kHidden + kOut, {"--data", "xor"}}),
    [](const auto& info) { return std::string(info.param.name); });

std::string npy(const std::string& type, const std::string& shape, const std::string& data) {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize(117, ' ');
  return std::string("\x93NUMPY\x01\0", 8) + std::string{'\x76', '\0'} + header + "\n" + data;
}

/// 200 samples of 4 numbers, scale * noise + offset, with three classes of which the last is
/// rare; if rare is -1, with classes 0 and 2 alone.
void write_samples(const TemporaryFolder& folder, const float (&scales)[4], float offset,
                   int rare) {
  std::string x, y;
  std::uint32_t state = 1;
  for (int i = 0; i < 200; ++i) {
    for (const float scale : scales) {
      state = state * 1664525u + 1013904223u;
      const float value = scale * (static_cast<float>(state >> 8) / (1 << 24) - 0.5f) + offset;
      x.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    const std::int32_t label = i < rare ? 2 : rare < 0 ? i % 2 * 2 : i % 2;
    y.append(reinterpret_cast<const char*>(&label), sizeof label);
  }
  write_text(folder.path() / "x.npy", npy("<f4", "200, 4", x));
  write_text(folder.path() / "y.npy", npy("<i4", "200", y));
}

TEST(LintData, LooksAtInputsAndClasses) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const struct {
    const char *code, *severity;
    float scales[4];
    float offset;
    int rare;
  } kCases[] = {{"", "", {3, 3, 3, 3}, 0, 60},
                {"unnormalised-inputs", "warning", {900, 900, 900, 900}, 0, 60},
                {"unnormalised-inputs", "warning", {3, 3, 3, 3}, 9, 60},
                {"unnormalised-inputs", "warning", {0.001f, 3, 3, 3}, 0, 60},
                {"non-finite-inputs", "error", {3, 3, 3, kInfinity}, 0, 60},
                {"non-finite-inputs", "error", {3, 3, 3, std::nanf("")}, 0, 60},
                {"class-imbalance", "info", {3, 3, 3, 3}, 0, 20},
                {"class-imbalance", "warning", {3, 3, 3, 3}, 0, 4},
                {"missing-class", "warning", {3, 3, 3, 3}, 0, -1}};
  for (const auto& c : kCases) {
    const TemporaryFolder folder;
    write_samples(folder, c.scales, c.offset, c.rare);
    int exit_code = -1;
    const json findings =
        findings_of({"tabular", "--data", "npy:x.npy?y=y.npy&test=0.2"}, folder, &exit_code);
    EXPECT_EQ(exit_code, std::string(c.severity) == "error" ? 1 : 0) << c.code;
    const json* finding = find(findings, c.code);
    if (*c.code == '\0') {
      EXPECT_TRUE(findings.empty()) << findings.dump(1);
    } else if (finding == nullptr) {
      ADD_FAILURE() << c.code << ": " << findings.dump(1);
    } else {
      EXPECT_EQ(finding->at("severity"), c.severity) << finding->dump(1);
    }
  }
}

TEST(LintData, LooksAtTargetsAndSizes) {
  const TemporaryFolder folder;
  write_text(folder.path() / "model.json",
             R"({"soma_model":1,"input":[1],"loss":"mean_squared_error","layers":[)"
             R"({"type":"dense","units":2000,"activation":"relu"},)"
             R"({"type":"dense","units":2000,"activation":"relu"},)"
             R"({"type":"batch_norm"},)"
             R"({"type":"dense","units":1,"activation":"sigmoid"}]})");
  std::string csv = "x,y\n";
  for (int i = 0; i < 50; ++i)
    csv += std::to_string(i * 37 % 50 + 0.5) + "," + std::to_string(i * 1.5) + "\n";
  write_text(folder.path() / "t.csv", csv);
  const json findings = findings_of({"model.json", "--data", "t.csv", "--batch", "39"}, folder);
  for (const char* code : {"loss-output", "many-parameters", "batch-norm-single"}) {
    EXPECT_NE(find(findings, code), nullptr) << code << ": " << findings.dump(1);
  }
  EXPECT_NE(
      find(findings_of({"model.json", "--data", "t.csv", "--batch", "64"}, folder), "large-batch"),
      nullptr);
}

/// Writes the model file anew without its self-test and with -100 for all numbers of a
/// tensor.
void lower_biases(const std::filesystem::path& file, const std::string& name) {
  const std::string bytes = read_text(file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const json old = json::parse(bytes.substr(8, length));
  json header = {{"__metadata__", old.at("__metadata__")}};
  std::string data;
  for (const auto& [key, tensor] : old.items()) {
    if (key == "__metadata__" || key.starts_with("selftest.")) continue;
    const std::size_t begin = tensor.at("data_offsets")[0], end = tensor.at("data_offsets")[1];
    std::string numbers = bytes.substr(8 + length + begin, end - begin);
    const float low = -100;
    for (std::size_t i = 0; key == name && i < numbers.size(); i += sizeof low) {
      std::memcpy(numbers.data() + i, &low, sizeof low);
    }
    header[key] = tensor;
    header[key]["data_offsets"] = {data.size(), data.size() + numbers.size()};
    data += numbers;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  length = text.size();
  write_text(file, std::string(reinterpret_cast<const char*>(&length), 8) + text + data);
}

TEST(Lint, FindsUnitsOfATrainedModelThatAreDead) {
  const TemporaryFolder folder;
  write_text(folder.path() / "model.json",
             R"({"soma_model":1,"input":[2],"layers":[)"
             R"({"type":"dense","name":"hidden","units":8,"activation":"relu"},)"
             R"({"type":"dense","units":2}]})");
  ASSERT_EQ(soma_command({"train", "model.json", "--data", "xor", "--steps", "2", "--out", "run"},
                         folder.path())
                .exit_code,
            0);
  EXPECT_EQ(find(findings_of({"run"}, folder), "dead-units"), nullptr);
  lower_biases(folder.path() / "run/model.safetensors", "hidden.bias");
  const json findings = findings_of({"run"}, folder);
  ASSERT_NE(find(findings, "dead-units"), nullptr) << findings.dump(1);
  EXPECT_EQ(find(findings, "dead-units")->at("layer"), "hidden");
}

TEST(Lint, HasNothingAgainstTheHousesOwnModelsAndData) {
  const TemporaryFolder folder;
  // Sets that are not built in are looked at where they are.
  const char* here = std::getenv("SOMA_DATA");
  const auto if_here = [&](const char* set) {
    return here != nullptr && std::filesystem::exists(std::filesystem::path(here) / set) ? set : "";
  };
  const std::pair<const char*, const char*> kPairs[] = {{"perceptron", "glyphs"},
                                                        {"mlp", "glyphs"},
                                                        {"lenet5", "glyphs"},
                                                        {"tabular", "iris"},
                                                        {"tabular", "xor"},
                                                        {"tabular", "spirals"},
                                                        {"resnet20", if_here("cifar10")},
                                                        {"char-rnn", if_here("tinyshakespeare")},
                                                        {"char-lstm", ""},
                                                        {"char-gru", ""},
                                                        {"char-gpt", if_here("tinyshakespeare")}};
  for (const auto& [model, data] : kPairs) {
    Words words = {model};
    if (*data != '\0') words.insert(words.end(), {"--data", data});
    for (const json& finding : findings_of(words, folder)) {
      EXPECT_EQ(finding.at("severity"), "info")
          << model << " on " << data << ": " << finding.dump();
    }
  }
}

TEST(Lint, PrintsFindingsWithTheirCures) {
  const TemporaryFolder folder;
  const Outcome outcome = soma_command({"lint", "mlp", "--lr", "5"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.out.find("error learning-rate: adam with learning rate 5"), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("cure: "), std::string::npos);
  EXPECT_EQ(soma_command({"lint", "mlp", "--batch", "0"}, folder.path()).exit_code, 2);
  EXPECT_EQ(soma_command({"lint", "nothing.json"}, folder.path()).exit_code, 1);
}

}  // namespace
