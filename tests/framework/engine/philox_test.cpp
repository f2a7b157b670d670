#include "soma/philox.hpp"

#include <gtest/gtest.h>

namespace soma {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Known answers published with Random123, file kat_vectors, lines "philox4x32 10".
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, StreamsOfDifferentPathsDiffer) {
  const PhiloxStream a(1, "fc1.weight"), b(1, "fc2.weight"), other_seed(2, "fc1.weight");
  EXPECT_NE(a.bits(0, 0), b.bits(0, 0));
  EXPECT_NE(a.bits(0, 0), other_seed.bits(0, 0));
  EXPECT_NE(a.bits(0, 0), a.bits(1, 0));
  EXPECT_NE(a.bits(0, 0), a.bits(0, 1));
}

TEST(Philox, UniformNumbersFillTheUnitInterval) {
  const PhiloxStream stream(7, "uniform");
  double sum = 0, squares = 0;
  constexpr int kCount = 100000;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const float u = stream.uniform(3, i);
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    sum += u;
    squares += double{u} * u;
  }
  // Mean 1/2 and variance 1/12, within five standard errors.
  EXPECT_NEAR(sum / kCount, 0.5, 5 * 0.2887 / 316.2);
  EXPECT_NEAR(squares / kCount - 0.25, 1.0 / 12, 0.005);
}

}  // namespace
}  // namespace soma
