// soma certify as a child process, on the backends of this build, on a plugin that ships, and on a
// backend that does one thing wrong.
#include <gtest/gtest.h>

#include <sstream>

#include "command.hpp"
#include "fault.hpp"

namespace {

using nlohmann::json;

Outcome certify(Words words) {
  const TemporaryFolder folder;
  words.insert(words.begin(), "certify");
  return soma_command(words, folder.path());
}

Outcome certify_faulty(Words words = {}) {
  words.insert(words.begin(), {FAULTY_BACKEND, "--numerics", "exact", "--level",
                               "C0,C1,C2,C3,C4,C5,C6", "--json"});
  return certify(std::move(words));
}

/// All failures of a certificate, each with the level and op of its cell.
std::vector<json> failures(const json& certificate) {
  std::vector<json> list;
  for (const json& cell : certificate["results"]) {
    for (json failure : cell["failures"]) {
      failure["level"] = cell["level"];
      failure["op"] = cell["op"];
      list.push_back(std::move(failure));
    }
  }
  return list;
}

const json* find(const std::vector<json>& list, const std::string& level,
                 const std::string& check) {
  for (const json& failure : list) {
    if (failure["level"] == level && failure["check"] == check) return &failure;
  }
  return nullptr;
}

bool mentions(const json& failure, const std::string& part) {
  return failure["message"].get<std::string>().find(part) != std::string::npos;
}

/// Finds the failure that a fault is known by; everything else of the report must be there too.
json expect_caught(const char* fault, const std::string& level, const std::string& check,
                   const std::string& part, const Words& words = {}) {
  const Fault planted(fault);
  const Outcome outcome = certify_faulty(words);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  const json certificate = outcome.json();
  if (!certificate.is_object()) {
    ADD_FAILURE() << "no JSON: " << outcome.out << outcome.err;
    return {};
  }
  EXPECT_EQ(certificate["passed"], false);
  const std::vector<json> all = failures(certificate);
  const json* found = find(all, level, check);
  EXPECT_NE(found, nullptr) << certificate;
  if (found == nullptr) return {};
  EXPECT_TRUE(mentions(*found, part)) << *found;
  return *found;
}

class CertifyBackends : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Built, CertifyBackends, testing::ValuesIn(built_backends()),
                         [](const auto& info) { return info.param; });

TEST_P(CertifyBackends, PassOneOpUnderBothNumerics) {
  for (const std::string numerics : {"fast", "exact"}) {
    const Outcome outcome =
        certify({GetParam(), "--op", "matmul/1.bwd_b", "--numerics", numerics, "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
    const json certificate = outcome.json();
    ASSERT_TRUE(certificate.is_object()) << outcome.out;
    EXPECT_EQ(certificate["passed"], true);
    EXPECT_EQ(certificate["plugin_sha256"].get<std::string>().size(), 64u);
    EXPECT_EQ(certificate["seed"], 1);
    EXPECT_FALSE(certificate["cpu"].get<std::string>().empty());
    EXPECT_FALSE(certificate["host_build"].get<std::string>().empty());
    std::vector<std::string> levels;
    for (const json& cell : certificate["results"]) {
      levels.push_back(cell["level"]);
      EXPECT_EQ(cell["op"], "matmul/1.bwd_b");
      EXPECT_GE(cell["cases"], 20);
      EXPECT_EQ(cell["failed"], 0);
      EXPECT_LE(cell["worst_share"], 1.0);
    }
    EXPECT_EQ(levels, (std::vector<std::string>{"C2", "C4", "C5"}));
  }
}

TEST_P(CertifyBackends, PassTheirLifecycleAndANetwork) {
  EXPECT_EQ(certify({GetParam(), "--level", "C0,C1"}).exit_code, 0);
  const Outcome outcome = certify({GetParam(), "--level", "C6", "--case", "dense"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
}

TEST(Certify, PassesAPluginActivationByItsPath) {
  const Outcome outcome = certify({SNAKE_PLUGIN, "--level", "C0,C1,C2,C3,C4,C5,C6", "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  const json certificate = outcome.json();
  ASSERT_TRUE(certificate.is_object()) << outcome.out;
  EXPECT_EQ(certificate["kind"], "activation");
  EXPECT_EQ(certificate["results"][0]["level"], "C0");
}

TEST(Certify, PassesABackendThatDeclinesWhatItLacks) {
  const Fault none("");
  const Outcome outcome = certify_faulty();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  const json certificate = outcome.json();
  int refused = 0;
  for (const json& cell : certificate["results"]) {
    if (cell["op"] == "relu/1.fwd" && cell["level"] == "C2") refused = cell["refused"];
  }
  EXPECT_GT(refused, 0) << "of four axes";
  EXPECT_GT(certificate["unclaimed"].size(), 50u);
}

TEST(Certify, NamesAWrongGradientAndRepeatsItAlone) {
  const Fault planted("wrong_gradient");
  const json found = expect_caught("wrong_gradient", "C4", "bounds", "element 41: expected");
  EXPECT_EQ(found["op"], "relu/1.bwd");
  EXPECT_TRUE(mentions(found, "relu/1.bwd([63]")) << found;

  // The command as the report prints it, word by word.
  setenv("SOMA_TEST_FAULT", "wrong_gradient", 1);
  std::istringstream text(found["rerun"].get<std::string>());
  Words words;
  for (std::string word; text >> word;) words.push_back(word);
  words.erase(words.begin(), words.begin() + 2);
  words.push_back("--json");
  const Outcome again = certify(words);
  EXPECT_EQ(again.exit_code, 1);
  const json certificate = again.json();
  ASSERT_EQ(certificate["results"].size(), 1u) << again.out << again.err;
  EXPECT_EQ(certificate["results"][0]["cases"], 1);
  EXPECT_EQ(failures(certificate).at(0)["message"], found["message"]);
}

TEST(Certify, SurvivesACrashAndGoesOn) {
  const json found = expect_caught("crash", "C2", "guards", "SIGSEGV");
  const Fault planted("crash");
  const json certificate = certify_faulty({"--op", "relu/1.fwd"}).json();
  for (const json& cell : certificate["results"]) {
    EXPECT_EQ(cell["failed"], 1) << cell;  // the one case of 17 elements, at each level
    EXPECT_GT(cell["cases"], 15) << cell;
  }
}

TEST(Certify, SurvivesAHang) {
  expect_caught("hang", "C3", "bounds", "did not come back within 2 s",
                {"--timeout", "2", "--case", "pointwise/relu_fwd_17"});
}

TEST(Certify, SeesWhatIsReadBehindABuffer) {
  expect_caught("reads_behind", "C2", "pages", "reads or writes outside its buffers",
                {"--op", "add"});
}

TEST(Certify, SeesWhatIsLeftBehind) {
  expect_caught("flushes", "C2", "guards", "floating-point environment", {"--op", "add"});
  expect_caught("leaks", "C2", "memory", "of every execution", {"--op", "add"});
}

TEST(Certify, SeesABadEnd) { expect_caught("abort_at_exit", "C1", "exit", "SIGABRT"); }

TEST(Certify, RefusesWhatIsNoPluginWithoutRunningIt) {
  const TemporaryFolder folder;
  write_text(folder.path() / "libsoma_text.so", "not a library");
  const Outcome text = certify({folder / "libsoma_text.so", "--json"});
  EXPECT_EQ(text.exit_code, 1);
  const std::vector<json> found = failures(text.json());
  ASSERT_EQ(found.size(), 1u) << text.out;
  EXPECT_EQ(found[0]["level"], "C0");
  EXPECT_TRUE(mentions(found[0], "not_a_library")) << found[0];
}

TEST(Certify, SaysWhatIsWrongWithItsCommandLine) {
  EXPECT_EQ(certify({}).exit_code, 2);
  EXPECT_EQ(certify({"tbb", "--level", "C8"}).exit_code, 2);
  EXPECT_EQ(certify({"tbb", "--threads", "0"}).exit_code, 2);
  const Outcome missing = certify({"no_such_plugin"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.err.find("found no libsoma_no_such_plugin.so; looked in"), std::string::npos)
      << missing.err;
  const Outcome no_case = certify({"reference", "--case", "no/such_case"});
  EXPECT_EQ(no_case.exit_code, 1);
  EXPECT_NE(no_case.err.find("no case matches"), std::string::npos) << no_case.err;
}

}  // namespace
