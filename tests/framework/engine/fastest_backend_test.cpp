#include "soma/fastest_backend.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "soma/layers.hpp"
#include "soma/plugins.hpp"

namespace soma {
namespace {

namespace fs = std::filesystem;

Model small_net(std::int64_t units = 3) {
  Model net({4});
  net.add(Dense{.units = units});
  return net;
}

/// Every test keeps its answers in a folder of its own.
class FastestBackend : public ::testing::Test {
 protected:
  FastestBackend() {
    std::string pattern = (fs::temp_directory_path() / "soma-fastest.XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
  }
  ~FastestBackend() override { fs::remove_all(folder_); }

  /// A timer that reports these and counts how often it is asked.
  StepTimer reports(std::vector<BackendTimes> times) {
    return [this, times](const Model&, const StepKind&, std::span<const std::string>) {
      ++asked_;
      return times;
    };
  }
  std::vector<fs::path> kept() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "soma" / "fastest")) {
      files.push_back(entry.path());
    }
    return files;
  }

  fs::path folder_;
  int asked_ = 0;
};

TEST_F(FastestBackend, IsTheOneWithTheSmallestTimesRoundByRound) {
  const auto timer = reports({{"slow", {4, 8, 4}}, {"quick", {2, 4, 2}}, {"unable", {}}});
  const BackendChoice choice = fastest_backend(small_net(), {}, timer);
  EXPECT_EQ(choice.backend, "quick");
  EXPECT_EQ(choice.runner_up, "slow");
  EXPECT_DOUBLE_EQ(choice.step_ms, 2);
  EXPECT_DOUBLE_EQ(choice.margin, 1);
  EXPECT_TRUE(choice.measured);
}

TEST_F(FastestBackend, FollowsTheRatiosWhereTheMachineDrifts) {
  // The medians say a; side by side b was faster in most rounds.
  const auto timer = reports({{"a", {1, 2, 9}}, {"b", {0.5, 2.5, 4.5}}});
  const BackendChoice choice = fastest_backend(small_net(), {}, timer);
  EXPECT_EQ(choice.backend, "b");
  EXPECT_EQ(choice.runner_up, "a");
  EXPECT_DOUBLE_EQ(choice.margin, 1);
}

TEST_F(FastestBackend, IsMeasuredOnceForEachQuestion) {
  const auto timer = reports({{"a", {1}}, {"b", {2}}});
  const StepKind training = {.purpose = Purpose::train, .batch = 8};
  for (int turn = 0; turn < 2; ++turn) {
    const BackendChoice choice = fastest_backend(small_net(), training, timer);
    EXPECT_EQ(choice.backend, "a");
    EXPECT_EQ(choice.measured, turn == 0);
  }
  EXPECT_EQ(asked_, 1);
  EXPECT_TRUE(recall_fastest_backend(small_net(), training).has_value());
  EXPECT_FALSE(recall_fastest_backend(small_net(5), training).has_value());
  for (const StepKind& other :
       {StepKind{.purpose = Purpose::infer, .batch = 8},
        StepKind{.purpose = Purpose::train, .batch = 9},
        StepKind{.purpose = Purpose::train, .batch = 8, .threads = 3},
        StepKind{.purpose = Purpose::train, .batch = 8, .numerics = Numerics::exact},
        StepKind{.purpose = Purpose::train, .batch = 8, .optimizer = Sgd{}}}) {
    EXPECT_FALSE(recall_fastest_backend(small_net(), other).has_value());
  }
}

TEST_F(FastestBackend, IsMeasuredAnewWhenThePluginsAreOthers) {
  const auto timer = reports({{"a", {1}}});
  fastest_backend(small_net(), {}, timer);
  EXPECT_TRUE(recall_fastest_backend(small_net(), {}).has_value());
  const fs::path more = folder_ / "more";
  fs::create_directory(more);
  std::ofstream(more / "libsoma_new.so") << "whatever it is";
  add_plugin_path(more);
  EXPECT_FALSE(recall_fastest_backend(small_net(), {}).has_value());
}

TEST_F(FastestBackend, ADamagedAnswerIsNone) {
  const auto timer = reports({{"a", {1}}});
  fastest_backend(small_net(), {}, timer);
  ASSERT_EQ(kept().size(), 1u);
  std::ofstream(kept()[0]) << "{\"format\": 1, \"question\": 5";
  EXPECT_FALSE(recall_fastest_backend(small_net(), {}).has_value());
  EXPECT_TRUE(fastest_backend(small_net(), {}, timer).measured);
}

TEST_F(FastestBackend, SaysThatNoneCanTakeTheStep) {
  try {
    fastest_backend(small_net(), {}, reports({{"a", {}}}));
    FAIL() << "nothing was thrown";
  } catch (const PluginError& e) {
    EXPECT_NE(std::string(e.what()).find("found none that can take a step"), std::string::npos)
        << e.what();
  }
}

TEST_F(FastestBackend, IsLookedForAmongThoseThatHaveTheNumerics) {
  std::vector<std::string> asked;
  const StepTimer timer = [&](const Model&, const StepKind&, std::span<const std::string> names) {
    asked.assign(names.begin(), names.end());
    return std::vector<BackendTimes>{{"onednn", {1}}};
  };
  const StepKind kind = {.numerics = Numerics::bf16};
  if (__builtin_cpu_supports("avx512bf16")) {
    fastest_backend(small_net(), kind, timer);
    EXPECT_EQ(asked, std::vector<std::string>{"onednn"});
  } else {
    EXPECT_THROW(fastest_backend(small_net(), kind, timer), PluginError);
    EXPECT_TRUE(asked.empty());
  }
}

TEST_F(FastestBackend, TimesRealStepsInThisProcess) {
  const std::string names[] = {"reference", "nobody"};
  Model net = small_net();
  net.set_loss(Loss::mean_squared_error);
  const auto times = time_steps_here(net, {.purpose = Purpose::train, .batch = 2}, names);
  ASSERT_EQ(times.size(), 2u);
  EXPECT_GE(times[0].ms.size(), 3u);
  for (const double ms : times[0].ms) EXPECT_GT(ms, 0);
  EXPECT_TRUE(times[1].ms.empty());
}

TEST(StepFlops, CountsForwardTwiceAndTrainingThreeTimesThat) {
  EXPECT_DOUBLE_EQ(step_flops(small_net(), {.batch = 10}), 2 * 4 * 3 * 10);
  EXPECT_DOUBLE_EQ(step_flops(small_net(), {.purpose = Purpose::train, .batch = 10}),
                   3 * 2 * 4 * 3 * 10);
}

}  // namespace
}  // namespace soma
