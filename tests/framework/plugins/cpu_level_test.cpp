#include "plugins/cpu_level.hpp"

#include <gtest/gtest.h>

namespace {

using soma::plugins::CpuWords;
using soma::plugins::missing_features;

constexpr CpuWords kEverything{
    .leaf1_ecx = ~0u, .leaf7_ebx = ~0u, .extended1_ecx = ~0u, .xcr0 = ~0ull};

TEST(CpuLevel, MissesNothingOnACpuWithEverything) {
  for (const char* level : {"x86_64", "x86_64_v3", "x86_64_v4"}) {
    EXPECT_EQ(missing_features(level, kEverything), "") << level;
  }
}

TEST(CpuLevel, NamesTheFeaturesThatAreMissing) {
  CpuWords cpu = kEverything;
  cpu.leaf7_ebx &= ~(1u << 16 | 1u << 30);
  EXPECT_EQ(missing_features("x86_64_v3", cpu), "");
  EXPECT_EQ(missing_features("x86_64_v4", cpu), "AVX512F, AVX512BW");
  cpu.leaf1_ecx &= ~(1u << 12);
  EXPECT_EQ(missing_features("x86_64_v3", cpu), "FMA");
}

TEST(CpuLevel, AsksWhetherTheOperatingSystemKeepsTheRegisters) {
  CpuWords cpu = kEverything;
  cpu.xcr0 = 0x07;
  EXPECT_EQ(missing_features("x86_64_v3", cpu), "");
  EXPECT_EQ(missing_features("x86_64_v4", cpu), "ZMM registers kept by the operating system");
  cpu.xcr0 = 0x03;
  EXPECT_EQ(missing_features("x86_64_v3", cpu), "YMM registers kept by the operating system");
  EXPECT_EQ(missing_features("x86_64", cpu), "");
}

TEST(CpuLevel, DoesNotKnowLevelsOfTheFuture) {
  EXPECT_EQ(missing_features("x86_64_v9", kEverything), "?");
}

TEST(CpuLevel, AgreesWithTheCompilerAboutThisCpu) {
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
  EXPECT_EQ(missing_features("x86_64_v3", soma::plugins::read_cpu()).empty(), v3);
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  EXPECT_EQ(missing_features("x86_64_v4", soma::plugins::read_cpu()).empty(), v4);
}

}  // namespace
