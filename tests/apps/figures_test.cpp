// What the built-in models are said to reach (framework/docs/models.md), where that takes seconds.
#include <gtest/gtest.h>

#include <cstdlib>

#include "command.hpp"
#include "principal_components.hpp"

namespace {

using nlohmann::json;

json trained(const Words& more, const std::string& seed) {
  const TemporaryFolder folder;
  Words words = {"train", "--seed", seed, "--numerics", "exact", "--out", "run", "--json"};
  words.insert(words.begin() + 1, more.begin(), more.end());
  const Outcome outcome = soma_command(words, folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << command_line(words) << "\n" << outcome.err;
  return outcome.json();
}

bool has_shared_data() { return std::getenv("SOMA_DATA") != nullptr; }

struct Reached {
  const char *name, *model, *data;
  double accuracy;  // at least
  double loss;      // at most
  bool shared;      // data under SOMA_DATA
};
void PrintTo(const Reached& figure, std::ostream* out) { *out << figure.name; }

class Figures : public testing::TestWithParam<Reached> {};

TEST_P(Figures, AreReachedWithThreeSeeds) {
  if (GetParam().shared && !has_shared_data()) GTEST_SKIP() << "SOMA_DATA is not set";
  for (const char* seed : {"1", "2", "3"}) {
    const json result = trained({GetParam().model, "--data", GetParam().data}, seed);
    EXPECT_LE(result["test_loss"], GetParam().loss) << "seed " << seed;
    if (result["test_accuracy"].is_null()) continue;
    EXPECT_GE(result["test_accuracy"], GetParam().accuracy) << "seed " << seed;
  }
}

constexpr double kAny = 1e9;
INSTANTIATE_TEST_SUITE_P(Of, Figures,
                         testing::Values(Reached{"iris", "tabular", "iris", 0.95, kAny, false},
                                         Reached{"wine", "tabular", "wine", 0.95, kAny, true},
                                         Reached{"banknote", "tabular", "banknote", 0.99, kAny,
                                                 true},
                                         Reached{"abalone", "tabular", "abalone", 0, 0.5, true},
                                         Reached{"xor", "mlp", "xor", 1, 0.1, false}),
                         [](const auto& info) { return info.param.name; });

TEST(Figures, APerceptronNeverSolvesExclusiveOr) {
  for (const char* seed : {"1", "2", "3"}) {
    EXPECT_LT(trained({"perceptron", "--data", "xor"}, seed)["test_accuracy"], 1.0);
  }
}

TEST(Figures, TheSeriesModelBeatsAsToday) {
  if (!has_shared_data()) GTEST_SKIP() << "SOMA_DATA is not set";
  const soma::Dataset test = soma::data::load("temperatures").test;
  const std::int64_t window = test.sample_shape().elements();
  double as_today = 0;
  for (std::int64_t row = 0; row < test.size(); ++row) {
    std::vector<float> days(static_cast<std::size_t>(window));
    float next = 0;
    test.gather_inputs({&row, 1}, days.data());
    test.gather_targets({&row, 1}, &next);
    as_today += (days.back() - next) * (days.back() - next) / static_cast<double>(test.size());
  }
  const double loss = trained({"series-lstm"}, "1")["test_loss"];
  EXPECT_LT(loss, 0.85 * as_today);
}

TEST(Figures, TheAutoencoderBeatsPrincipalComponentsOfItsWidth) {
  const double linear = principal_components_error(soma::data::load("glyphs"), 32);
  const double loss =
      trained({"autoencoder", "--data", "glyphs", "--steps", "1500"}, "1")["test_loss"];
  EXPECT_GT(loss, 0);
  EXPECT_LT(loss, linear);
}

}  // namespace
