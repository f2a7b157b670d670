#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "functions_under_test.hpp"

// Sweeps over the float32 bit patterns, negative ones, denormals, infinities and NaN included:
// every 251st, or all 2^32 when SOMA_FULL_SWEEP is set (minutes a function).

namespace soma_test {
namespace {

constexpr std::size_t kBlock = 4096 + 3;  // the tail runs masked

struct FunctionCase {
  Function function;
  const char* name;
  std::int64_t bound_ulp;
  double (*oracle)(double);
};
void PrintTo(const FunctionCase& c, std::ostream* out) { *out << c.name; }

const FunctionCase kCases[] = {
#define SOMA_TESTED(name, ulp) \
  {Function::name, #name, ulp, [](double x) { return functions::name(x); }},
    SOMA_TESTED_FUNCTIONS(SOMA_TESTED)
#undef SOMA_TESTED
};

/// Calls check(x, n) on blocks that together hold the swept inputs.
template <class Check>
void sweep(Check check) {
  std::vector<float> x;
  const auto add = [&](std::uint64_t pattern) {
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(pattern)));
  };
  for (std::uint64_t exponent = 0; exponent < 512; ++exponent) {
    for (std::uint64_t step = 0; step < 4; ++step) add((exponent << 23) + step - 2);
  }
  check(x.data(), x.size());
  const std::uint64_t stride = std::getenv("SOMA_FULL_SWEEP") != nullptr ? 1 : 1021;
  for (std::uint64_t pattern = 0; pattern >> 32 == 0;) {
    x.clear();
    for (; x.size() < kBlock && pattern >> 32 == 0; pattern += stride) add(pattern);
    check(x.data(), x.size());
    if (testing::Test::HasFailure()) return;
  }
}

/// Position of x among the float32 in ascending order; both zeros at 0, infinities at the ends.
std::int64_t rank(float x) {
  const auto b = std::bit_cast<std::int32_t>(x);
  return b < 0 ? -static_cast<std::int64_t>(b & 0x7fffffff) : b;
}

bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

class CanonicalFunction : public testing::TestWithParam<FunctionCase> {};

TEST_P(CanonicalFunction, StaysWithinItsBoundWithoutACliff) {
  const FunctionCase& c = GetParam();
  std::vector<float> y(kBlock);
  std::int64_t worst = 0, inputs = 0, rounded_otherwise = 0;
  float worst_x = 0;
  sweep([&](const float* x, std::size_t n) {
    evaluate<soma::math::F32x8>(c.function, x, y.data(), static_cast<std::int64_t>(n));
    inputs += static_cast<std::int64_t>(n);
    for (std::size_t i = 0; i < n; ++i) {
      const auto expected = static_cast<float>(c.oracle(x[i]));
      if (std::isnan(expected) || std::isnan(y[i])) {
        ASSERT_EQ(std::isnan(expected), std::isnan(y[i])) << std::hexfloat << "x = " << x[i];
        continue;
      }
      // A zero has the sign of the result it stands for.
      if (expected == 0 && y[i] == 0) {
        ASSERT_EQ(std::signbit(expected), std::signbit(y[i])) << std::hexfloat << "x = " << x[i];
      }
      const std::int64_t ulp = std::abs(rank(expected) - rank(y[i]));
      rounded_otherwise += ulp != 0;
      if (ulp > worst) {
        worst = ulp;
        worst_x = x[i];
      }
    }
  });
  EXPECT_LE(worst, c.bound_ulp) << std::hexfloat << "x = " << worst_x;
  RecordProperty("worst_ulp", std::to_string(worst));
  RecordProperty(
      "percent_not_nearest",
      std::to_string(100.0 * static_cast<double>(rounded_otherwise) / static_cast<double>(inputs)));
}

TEST_P(CanonicalFunction, GivesTheSameBitsInEveryLaneType) {
  const FunctionCase& c = GetParam();
  const bool avx512 = __builtin_cpu_supports("avx512f");
  std::vector<float> scalar(kBlock), lanes(kBlock);
  sweep([&](const float* x, std::size_t n) {
    const auto count = static_cast<std::int64_t>(n);
    evaluate<soma::math::F32>(c.function, x, scalar.data(), count);
    evaluate<soma::math::F32x8>(c.function, x, lanes.data(), count);
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_PRED2(same, scalar[i], lanes[i]) << std::hexfloat << "F32x8, x = " << x[i];
    }
    if (!avx512) return;
    evaluate_avx512(c.function, x, lanes.data(), count);
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_PRED2(same, scalar[i], lanes[i]) << std::hexfloat << "F32x16, x = " << x[i];
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Math, CanonicalFunction, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace soma_test
