#include "plugins/openmp_wait.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "soma/backend.hpp"

namespace {

using soma::plugins::ShortOpenmpWait;

constexpr const char *kSpins = "GOMP_SPINCOUNT", *kPolicy = "OMP_WAIT_POLICY";

class OpenmpWait : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv(kSpins);
    unsetenv(kPolicy);
  }
};

TEST_F(OpenmpWait, IsShortWhileAPluginIsLoadedAndGoneBehindIt) {
  char** const before = environ;
  {
    const ShortOpenmpWait wait;
    EXPECT_STREQ(getenv(kSpins), "10000");
    EXPECT_NE(getenv("PATH"), nullptr);
  }
  EXPECT_EQ(environ, before);
  EXPECT_EQ(getenv(kSpins), nullptr);
}

TEST_F(OpenmpWait, IsWhatTheUserSays) {
  setenv(kSpins, "7", 1);
  {
    const ShortOpenmpWait wait;
    EXPECT_STREQ(getenv(kSpins), "7");
  }
  unsetenv(kSpins);
  setenv(kPolicy, "active", 1);
  const ShortOpenmpWait wait;
  EXPECT_EQ(getenv(kSpins), nullptr);
}

TEST_F(OpenmpWait, KeepsWhatAnotherThreadSetsMeanwhile) {
  {
    const ShortOpenmpWait wait;
    setenv("SOMA_TEST_MEANWHILE", "kept", 1);
  }
  EXPECT_STREQ(getenv("SOMA_TEST_MEANWHILE"), "kept");
}

TEST_F(OpenmpWait, LeavesTheEnvironmentAsItIsOnceTheRuntimeIsThere) {
  const soma::Backend onednn = soma::backend("onednn");
  EXPECT_EQ(getenv(kSpins), nullptr);
  char** const before = environ;
  const ShortOpenmpWait wait;
  EXPECT_EQ(environ, before);
}

}  // namespace
