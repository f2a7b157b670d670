#include <gtest/gtest.h>

#include <cstdlib>

#include "command.hpp"

namespace {

TEST(Mnist, Lenet5ReachesNinetyEightPercentInOneEpochWithOneHash) {
  if (std::getenv("SOMA_DATA") == nullptr) {
    GTEST_SKIP() << "SOMA_DATA is not set, so the test on MNIST did not run";
  }
  const TemporaryFolder folder;
  std::string expected;
  for (const std::string& backend : built_backends()) {
    if (backend == "reference") continue;  // plain loops take minutes for the same bits
    const Words arguments = {"train",  "lenet5",     "--data", "mnist",    "--backend",
                             backend,  "--numerics", "exact",  "--epochs", "1",
                             "--seed", "1",          "--out",  backend,    "--json"};
    const Outcome outcome = Command(arguments, folder.path()).wait(600);
    ASSERT_EQ(outcome.exit_code, 0) << command_line(arguments) << "\n" << outcome.err;
    const auto result = outcome.json();
    EXPECT_GE(result.at("test_accuracy"), 0.98) << outcome.out;
    EXPECT_EQ(result.at("steps"), 938);
    const auto hash = result.at("weights_sha256").get<std::string>();
    if (expected.empty()) expected = hash;
    EXPECT_EQ(hash, expected) << command_line(arguments);
  }
}

}  // namespace
