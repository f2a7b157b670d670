#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "soma/sdk/math/gates.hpp"

namespace soma_test {
namespace {

using namespace soma::math;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();

struct SpecialCase {
  const char* name;
  float (*function)(float);
  float x, expected;  // NaN stands for any NaN; zeros are told apart by their sign
};
void PrintTo(const SpecialCase& c, std::ostream* out) { *out << c.name << "(" << c.x << ")"; }

const SpecialCase kCases[] = {
    {"exp", exp, 0, 1},
    {"exp", exp, -kInf, 0},
    {"exp", exp, kInf, kInf},
    {"exp", exp, 89, kInf},
    {"exp", exp, -100, 0x1.bp-145f},  // a denormal, not 0
    {"exp", exp, -104, 0},
    {"exp", exp, kNan, kNan},
    {"expm1", expm1, -0.0f, -0.0f},
    {"expm1", expm1, -kInf, -1},
    {"expm1", expm1, kInf, kInf},
    {"expm1", expm1, kDenormal, kDenormal},
    {"expm1", expm1, kNan, kNan},
    {"log", log, 0, -kInf},
    {"log", log, -0.0f, -kInf},
    {"log", log, 1, 0},
    {"log", log, -1, kNan},
    {"log", log, -kInf, kNan},
    {"log", log, kInf, kInf},
    {"log", log, kNan, kNan},
    {"log", log, 1e-40f, -0x1.7069e4p+6f},  // -92.10, from a denormal
    {"log1p", log1p, -1, -kInf},
    {"log1p", log1p, -2, kNan},
    {"log1p", log1p, -0.0f, -0.0f},
    {"log1p", log1p, kInf, kInf},
    {"log1p", log1p, -kInf, kNan},
    {"log1p", log1p, kDenormal, kDenormal},
    {"log1p", log1p, kNan, kNan},
    {"tanh", tanh, -0.0f, -0.0f},
    {"tanh", tanh, kInf, 1},
    {"tanh", tanh, -kInf, -1},
    {"tanh", tanh, -kDenormal, -kDenormal},
    {"tanh", tanh, kNan, kNan},
    {"sigmoid", sigmoid, 0, 0.5f},
    {"sigmoid", sigmoid, kInf, 1},
    {"sigmoid", sigmoid, -kInf, 0},
    {"sigmoid", sigmoid, -100, 0x1.bp-145f},
    {"sigmoid", sigmoid, kNan, kNan},
    {"erf", erf, -0.0f, -0.0f},
    {"erf", erf, kInf, 1},
    {"erf", erf, -kInf, -1},
    {"erf", erf, kNan, kNan},
    {"softplus", softplus, kInf, kInf},
    {"softplus", softplus, -kInf, 0},
    {"softplus", softplus, -16, 0x1.e355bap-24f},  // 1.125351680e-7
    {"softplus", softplus, -100, 0x1.bp-145f},
    {"softplus", softplus, kNan, kNan},
    {"sin", sin, -0.0f, -0.0f},
    {"sin", sin, kInf, kNan},
    {"sin", sin, -kInf, kNan},
    {"sin", sin, kNan, kNan},
    {"cos", cos, -0.0f, 1},
    {"cos", cos, -kInf, kNan},
    {"cos", cos, kNan, kNan},
    {"silu", silu, -0.0f, -0.0f},
    {"silu", silu, -kInf, -0.0f},
    {"silu", silu, kInf, kInf},
    {"silu", silu, -100, -0x1.4bep-138f},  // a denormal with all the bits that it can have
    {"silu", silu, kNan, kNan},
    {"gelu", gelu, -0.0f, -0.0f},
    {"gelu", gelu, -kInf, -0.0f},
    {"gelu", gelu, kInf, kInf},
    {"gelu", gelu, -10, -0x1.707936p-74f},  // 1 + erf would leave nothing
    {"gelu", gelu, kNan, kNan},
    {"gelu_tanh", gelu_tanh, -0.0f, -0.0f},
    {"gelu_tanh", gelu_tanh, -kInf, -0.0f},
    {"gelu_tanh", gelu_tanh, kInf, kInf},
    {"gelu_tanh", gelu_tanh, kNan, kNan},
    {"mish", mish, -0.0f, -0.0f},
    {"mish", mish, -kInf, -0.0f},
    {"mish", mish, kInf, kInf},
    {"mish", mish, kNan, kNan},
    {"silu_derivative", silu_derivative, 0, 0.5f},
    {"silu_derivative", silu_derivative, -kInf, -0.0f},
    {"silu_derivative", silu_derivative, kInf, 1},
    {"gelu_derivative", gelu_derivative, 0, 0.5f},
    {"gelu_derivative", gelu_derivative, -kInf, -0.0f},
    {"gelu_derivative", gelu_derivative, kInf, 1},
    {"gelu_derivative", gelu_derivative, kNan, kNan},
    {"mish_derivative", mish_derivative, 0, 0.6f},
    {"mish_derivative", mish_derivative, -kInf, -0.0f},
    {"mish_derivative", mish_derivative, kInf, 1},
    {"relu", relu, -0.0f, 0},
    {"relu", relu, -kInf, 0},
    {"relu", relu, kInf, kInf},
    {"relu", relu, kNan, kNan},
    {"relu_derivative", relu_derivative, 0, 0},
    {"relu_derivative", relu_derivative, kDenormal, 1},
    {"relu_derivative", relu_derivative, kNan, 0},
    {"sigmoid_derivative", sigmoid_derivative, 0, 0.25f},
    {"sigmoid_derivative", sigmoid_derivative, 16, 0x1.e355b4p-24f},  // 1.125351e-7, not 6 % off
    {"sigmoid_derivative", sigmoid_derivative, -kInf, 0},
    {"tanh_derivative", tanh_derivative, 0, 1},
    {"tanh_derivative", tanh_derivative, kInf, 0},
    {"erf_derivative", erf_derivative, kInf, 0},
    {"erf_derivative", erf_derivative, kNan, kNan},
};

class SpecialValue : public testing::TestWithParam<SpecialCase> {};

TEST_P(SpecialValue, HasTheValueOfTheMathematicalFunction) {
  const SpecialCase& c = GetParam();
  const float y = c.function(c.x);
  if (std::isnan(c.expected)) {
    EXPECT_TRUE(std::isnan(y)) << y;
  } else {
    EXPECT_EQ(y, c.expected);
    EXPECT_EQ(std::signbit(y), std::signbit(c.expected));
  }
}

INSTANTIATE_TEST_SUITE_P(Math, SpecialValue, testing::ValuesIn(kCases));

TEST(SinAndCos, StayAccurateForHugeAngles) {
  // The hardest float32 for argument reduction: nearest to a multiple of pi/2. Source: Muller et
  // al., Handbook of Floating-Point Arithmetic, 2nd ed., table 11.1.
  const float hardest = 16367173.0f * 0x1p72f;
  EXPECT_EQ(cos(hardest), static_cast<float>(std::cos(static_cast<double>(hardest))));
  const float largest = std::numeric_limits<float>::max();
  EXPECT_EQ(sin(largest), static_cast<float>(std::sin(static_cast<double>(largest))));
}

}  // namespace
}  // namespace soma_test
