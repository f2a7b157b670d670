#include "program/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "soma/philox.hpp"

namespace soma {
namespace {

TEST(MemoryPlan, BlocksAliveAtTheSameTimeNeverOverlap) {
  const PhiloxStream stream(1, "plan");
  for (std::uint32_t round = 0; round < 200; ++round) {
    std::vector<Lifetime> blocks;
    const std::uint32_t count = 1 + stream.bits(round, 0) % 40;
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto r = stream.block(round, i + 1);
      const int first = static_cast<int>(r[0] % 30);
      blocks.push_back({r[1] % 5000, first, first + static_cast<int>(r[2] % 10)});
    }
    const std::size_t arena = plan_memory(blocks);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_EQ(blocks[i].offset % 64, 0u);
      EXPECT_LE(blocks[i].offset + blocks[i].size_bytes, arena);
      for (std::size_t j = 0; j < i; ++j) {
        const bool together =
            blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last;
        const bool apart = blocks[i].offset + blocks[i].size_bytes <= blocks[j].offset ||
                           blocks[j].offset + blocks[j].size_bytes <= blocks[i].offset;
        EXPECT_TRUE(!together || apart || blocks[i].size_bytes == 0 || blocks[j].size_bytes == 0)
            << "round " << round << ", blocks " << i << " and " << j;
      }
    }
  }
}

TEST(MemoryPlan, TheLeastIsWhatIsAliveAtOnce) {
  EXPECT_EQ(least_memory({{100, 0, 3}, {64, 1, 1}, {640, 2, 2}, {640, 3, 4}}), 128u + 640u);
  EXPECT_EQ(least_memory({}), 0u);
}

TEST(MemoryPlan, BlocksThatFollowEachOtherShareMemory) {
  std::vector<Lifetime> blocks = {{1024, 0, 1}, {1024, 2, 3}, {1024, 4, 5}};
  EXPECT_EQ(plan_memory(blocks), 1024u);
}

TEST(MemoryPlan, AChainNeedsTwoNeighboursAtATime) {
  std::vector<Lifetime> blocks = {{640, 0, 1}, {640, 1, 2}, {640, 2, 3}, {640, 3, 4}};
  EXPECT_EQ(plan_memory(blocks), 1280u);
}

TEST(MemoryPlan, GapsThatTheLargestFirstLeaveAreClosed) {
  // A large one at the start and one at the end, small ones across: as in a convolutional net.
  std::vector<Lifetime> blocks = {{6400, 0, 1},   {6400, 17, 18}, {1600, 1, 16}, {1600, 1, 17},
                                  {3200, 2, 3},   {800, 3, 19},   {800, 3, 13},  {3200, 13, 15},
                                  {1600, 15, 17}, {6400, 19, 24}, {128, 9, 19}};
  EXPECT_EQ(plan_memory(blocks), least_memory(blocks));
}

}  // namespace
}  // namespace soma
