#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "soma/sdk/math/functions.hpp"

namespace soma_test {
namespace {

using soma::math::F32;
using soma::math::F32x8;
using soma::math::F64;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::array<float, 12> kHardValues = {0.0f, -0.0f,     1.0f,         -1.5f,
                                               2.5f, 0x1p-149f, -0x1.8p-130f, 0x1.fffffep+127f,
                                               kInf, -kInf,     kNan,         3.4e9f};

void expect_same(F32 scalar, F32x8 lanes, const char* what) {
  float y[8];
  lanes.store(y);
  if (std::isnan(scalar.v)) {
    EXPECT_TRUE(std::isnan(y[0])) << what;
  } else {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(scalar.v), std::bit_cast<std::uint32_t>(y[0])) << what;
  }
}

TEST(Lanes, OperationsGiveTheBitsOfScalarOnes) {
  for (const float a : kHardValues) {
    for (const float b : kHardValues) {
      SCOPED_TRACE(testing::Message() << "a = " << a << ", b = " << b);
      const F32 s = a, t = b;
      const F32x8 x = a, y = b;
      expect_same(s + t, x + y, "+");
      expect_same(s - t, x - y, "-");
      expect_same(s * t, x * y, "*");
      expect_same(s / t, x / y, "/");
      expect_same(-s, -x, "unary -");
      expect_same(fma(s, t, s), fma(x, y, x), "fma");
      expect_same(min(s, t), min(x, y), "min");
      expect_same(max(s, t), max(x, y), "max");
      expect_same(abs(s), abs(x), "abs");
      expect_same(sqrt(s), sqrt(x), "sqrt");
      expect_same(copysign(s, t), copysign(x, y), "copysign");
      expect_same(round_to_nearest_even(s), round_to_nearest_even(x), "round");
      expect_same(F32::from_int(to_int(s)), F32x8::from_int(to_int(x)), "to_int");
      expect_same(F32::from_int(bits(s) >> 3), F32x8::from_int(bits(x) >> 3), "shift");
      expect_same(select(s < t, 1, 2), select(x < y, 1, 2), "<");
      expect_same(select(s <= t, 1, 2), select(x <= y, 1, 2), "<=");
      expect_same(select(s > t, s, t), select(x > y, x, y), ">");
      expect_same(select(s >= t, s, t), select(x >= y, x, y), ">=");
      expect_same(select(s == t, s, t), select(x == y, x, y), "==");
      expect_same(select(s != t, s, t), select(x != y, x, y), "!=");
      expect_same(select(s < t && !(s == 1), s, t), select(x < y && !(x == 1), x, y), "&& !");
      expect_same(select(s < t || t != t, s, t), select(x < y || y != y, x, y), "||");
    }
  }
}

TEST(Lanes, MinAndMaxPropagateNan) {
  EXPECT_TRUE(std::isnan(max(F32(kNan), 0).v));
  EXPECT_TRUE(std::isnan(max(F32(0), kNan).v));
  EXPECT_TRUE(std::isnan(min(F64(0), std::nan("")).v));
  EXPECT_EQ(soma::math::max(2.0f, 3.0f), 3);
}

TEST(Lanes, FmaRoundsOnce) {
  const float a = 1 + 0x1p-23f;
  EXPECT_EQ(fma(F32(a), a, -1.0f).v, 0x1p-22f + 0x1p-46f);
}

TEST(Lanes, PartialLoadsAndStoresTouchNoMore) {
  for (int n = 0; n <= 8; ++n) {
    std::vector<float> x(static_cast<std::size_t>(n), 3.0f);  // a sanitizer sees any step past it
    float lanes[8];
    F32x8::load_partial(x.data(), n).store(lanes);
    std::array<float, 9> y;
    y.fill(-1);
    F32x8(7).store_partial(y.data(), n);
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(lanes[i], i < n ? 3 : 0);
      EXPECT_EQ(y[static_cast<std::size_t>(i)], i < n ? 7 : -1);
    }
  }
}

TEST(Transform, GivesTheSameBitsWhereverTheElementLies) {
  std::vector<float> x(67);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.37f * static_cast<float>(i) - 11;
  const auto f = [](auto v) { return tanh(v) * v; };
  for (std::size_t begin = 0; begin < 20; ++begin) {
    for (std::size_t end = begin; end <= x.size(); end += 5) {
      std::vector<float> y(x.size(), -1.0f);
      soma::math::transform(x.data() + begin, y.data() + begin,
                            static_cast<std::int64_t>(end - begin), f);
      for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_EQ(y[i], i >= begin && i < end ? f(F32(x[i])).v : -1) << i;
      }
    }
  }
}

TEST(Transform, TakesTwoInputsAndMayWriteOverOne) {
  std::vector<float> x(21, 2.0f), grad(21, 3.0f);
  soma::math::transform(x.data(), grad.data(), grad.data(), 21,
                        [](auto a, auto g) { return soma::math::relu_derivative(a) * g + 1; });
  EXPECT_EQ(grad, std::vector<float>(21, 4.0f));
  std::vector<double> y(5, 0.5);
  soma::math::transform(y.data(), y.data(), 5, [](auto a) { return exp(a); });
  EXPECT_EQ(y, std::vector<double>(5, std::exp(0.5)));
}

}  // namespace
}  // namespace soma_test
