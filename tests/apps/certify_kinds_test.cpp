// soma certify on plugins that are no backends: all that ship and those written in C pass; what is
// wrong with a layer, a loss or an optimizer is found at its level.
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "command.hpp"

namespace {

using nlohmann::json;

json certify(const std::string& plugin, int exit_code, Words words = {}) {
  const TemporaryFolder folder;
  words.insert(words.begin(), {"certify", plugin, "--json"});
  const Outcome outcome = soma_command(words, folder.path());
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome.out << outcome.err;
  return outcome.json();
}

/// Cases that were examined, refused ones left out, by kind of op and level.
int examined(const json& certificate, const std::string& level, const std::string& op) {
  int cases = 0;
  for (const json& cell : certificate["results"]) {
    if (cell["level"] == level && (op.empty() || cell["op"] == op)) {
      cases += cell["cases"].get<int>() - cell["refused"].get<int>();
    }
  }
  return cases;
}

class CertifyShipped : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Plugins, CertifyShipped,
                         testing::Values("gaussian", "snake", "squareplus", "learnable_swish",
                                         "radial_basis", "squeeze_excite", "focal", "sophia"),
                         [](const auto& info) { return info.param; });

TEST_P(CertifyShipped, PassesEveryLevel) {
  const json certificate = certify(GetParam(), 0);
  ASSERT_TRUE(certificate.is_object());
  EXPECT_EQ(certificate["passed"], true);
  const bool optimizer = certificate["kind"] == "optimizer";  // has no forward
  for (const char* level : {"C0", "C1", "C2", "C3", "C4", "C5", "C6"}) {
    if (optimizer && level == std::string("C3")) continue;
    EXPECT_GT(examined(certificate, level, ""), 0) << level;
  }
  double worst = 0;
  for (const json& cell : certificate["results"]) {
    worst = std::max(worst, cell["worst_share"].get<double>());
  }
  EXPECT_GT(worst, 0.0) << "no error was measured";
  EXPECT_LT(worst, 0.8);
}

TEST(CertifyKinds, PassesFourKindsInC) {
  const json certificate = certify(C_KINDS_PLUGIN, 0);
  EXPECT_EQ(certificate["kind"], "activation+layer+loss+optimizer");
  // Without float64 functions a gradient is held to difference quotients of float32.
  for (const char* op : {"c_leaky.bwd", "c_shift.bwd", "c_squares.bwd", "c_momentum.step"}) {
    EXPECT_GT(examined(certificate, "C4", op), 0) << op;
  }
}

TEST(CertifyKinds, GivesFieldsAndShapesToALayer) {
  const json one =
      certify("radial_basis", 0,
              {"--fields", R"({"units": 3, "width": 0.5})", "--input", "2,9", "--level", "C3"});
  for (const json& cell : one["results"]) {
    EXPECT_EQ(cell["refused"], 0) << cell;
  }
  const TemporaryFolder folder;
  const Outcome unknown = soma_command(
      {"certify", "radial_basis", "--fields", R"({"unit": 3})", "--level", "C1"}, folder.path());
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_NE(unknown.out.find("it has no field or option 'unit'"), std::string::npos) << unknown.out;
  for (const char* wrong : {"units=3", "[3]", R"({"units": [3]})"}) {
    EXPECT_EQ(soma_command({"certify", "radial_basis", "--fields", wrong}, folder.path()).exit_code,
              2);
  }
}

struct Planted {
  const char *fault, *level, *op, *says;
};
void PrintTo(const Planted& p, std::ostream* out) { *out << p.fault; }

const Planted kPlanted[] = {
    {"layer_couples_samples", "C5", "faulty_gain.fwd", "sample 3 of 17"},
    {"layer_loses_a_row", "C4", "faulty_gain.bwd", "operand 1: expected the derivative"},
    {"layer_adds_to_gradients", "C2", "faulty_gain.bwd", "was never written"},
    {"layer_needs_all_gradients", "C2", "faulty_gain.bwd", "SIGSEGV"},
    {"loss_forgets_the_factor", "C4", "faulty_squares.bwd", "expected the derivative"},
    {"loss_rounds", "C4", "faulty_squares.bwd", "within"},
    {"loss_leaves_the_last", "C4", "faulty_squares.bwd", "expected the derivative"},
    {"optimizer_climbs", "C4", "faulty_momentum.step", "expected w nearer to 1"},
    {"optimizer_rounds", "C4", "faulty_momentum.step", "output 0 element"},
    {"optimizer_overflows", "C4", "faulty_momentum.step", "numbers that float32 can hold"},
};

class CertifyFaulty : public testing::TestWithParam<Planted> {};
INSTANTIATE_TEST_SUITE_P(Kinds, CertifyFaulty, testing::ValuesIn(kPlanted),
                         [](const auto& info) { return std::string(info.param.fault); });

TEST_P(CertifyFaulty, IsFoundAtItsLevelAndReproducedAlone) {
  setenv("SOMA_TEST_FAULT", GetParam().fault, 1);
  const json certificate =
      certify(FAULTY_KINDS, 1, {"--level", "C2,C3,C4,C5", "--op", GetParam().op});
  std::string rerun, all;
  for (const json& cell : certificate["results"]) {
    for (const json& failure : cell["failures"]) {
      const std::string message = failure["message"];
      all += cell["level"].get<std::string>() + " " + message + "\n";
      if (cell["level"] == GetParam().level && message.find(GetParam().says) != std::string::npos) {
        rerun = failure["rerun"];
      }
    }
  }
  ASSERT_FALSE(rerun.empty()) << "found only:\n" << all;

  std::istringstream text(rerun);
  Words words;
  for (std::string word; text >> word;) words.push_back(word);
  words.erase(words.begin());
  words.push_back("--json");
  const TemporaryFolder folder;
  const Outcome again = soma_command(words, folder.path());
  unsetenv("SOMA_TEST_FAULT");
  EXPECT_EQ(again.exit_code, 1) << rerun;
  const json results = again.json()["results"];
  ASSERT_EQ(results.size(), 1u) << again.out;
  EXPECT_EQ(results[0]["cases"], 1);
  EXPECT_EQ(results[0]["failed"], 1);
}

TEST(CertifyKinds, PassesThemWithoutAFault) { certify(FAULTY_KINDS, 0); }

}  // namespace
