#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "soma/sdk/math/functions.hpp"

namespace soma_test {
namespace {

using soma::math::Dual;
using soma::math::F32;
using soma::math::F32x8;
using soma::math::F64;

struct DerivativeCase {
  const char* name;
  Dual<F64> (*dual)(Dual<F64>);
  F64 (*value)(F64);
  Dual<F32> (*dual_f32)(Dual<F32>);
  double low, high;
};
void PrintTo(const DerivativeCase& c, std::ostream* out) { *out << c.name; }

#define SOMA_CASE(name, expression, low, high)                         \
  {                                                                    \
    name, [](Dual<F64> x) -> Dual<F64> { return expression; },         \
        [](F64 x) -> F64 { return expression; },                       \
        [](Dual<F32> x) -> Dual<F32> { return expression; }, low, high \
  }

const DerivativeCase kCases[] = {
    // to add a case, add a line: f and an interval where it is smooth
    SOMA_CASE("exp", exp(x), -5, 5),
    SOMA_CASE("expm1", expm1(x), -5, 5),
    SOMA_CASE("log", log(x), 0.1, 9),
    SOMA_CASE("log1p", log1p(x), -0.8, 9),
    SOMA_CASE("tanh", tanh(x), -4, 4),
    SOMA_CASE("sigmoid", sigmoid(x), -9, 9),
    SOMA_CASE("erf", erf(x), -3, 3),
    SOMA_CASE("softplus", softplus(x), -9, 9),
    SOMA_CASE("sin", sin(x), -9, 9),
    SOMA_CASE("cos", cos(x), -9, 9),
    SOMA_CASE("relu", relu(x), 0.1, 4),
    SOMA_CASE("sqrt", sqrt(x), 0.1, 9),
    SOMA_CASE("abs", abs(x), -4, -0.1),
    SOMA_CASE("sum_and_difference", 3 + x - (1 - x) + (-x), -4, 4),
    SOMA_CASE("product", x* x * 0.5f, -4, 4),
    SOMA_CASE("quotient", (x + 1) / (x * x + 2), -4, 4),
    SOMA_CASE("fma", fma(x, x, x), -4, 4),
    SOMA_CASE("select", select(x < 5, x* x, x), -4, 4),
    SOMA_CASE("min_and_max", max(min(x, 6), -5) * x, -4, 4),
    SOMA_CASE("composition", x* tanh(softplus(x)), -4, 4),
    SOMA_CASE("snake", x + sin(x) * sin(x), -4, 4),
};

class Derivative : public testing::TestWithParam<DerivativeCase> {};

TEST_P(Derivative, AgreesWithFourthOrderCentralDifferences) {
  const DerivativeCase& c = GetParam();
  const double h = 1e-3;
  for (int i = 0; i <= 200; ++i) {
    const double x = c.low + (c.high - c.low) * i / 200;
    const auto f = [&](double at) { return c.value(F64(at)).v; };
    const double difference =
        (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h);
    const Dual<F64> y = c.dual(Dual<F64>::variable(x));
    EXPECT_EQ(y.value.v, f(x));
    EXPECT_NEAR(y.derivative.v, difference, 1e-8 * (1 + std::fabs(difference))) << "x = " << x;
  }
}

TEST_P(Derivative, InFloat32IsNearTheOneInFloat64) {
  const DerivativeCase& c = GetParam();
  for (int i = 0; i <= 200; ++i) {
    const auto x = static_cast<float>(c.low + (c.high - c.low) * i / 200);
    const double expected = c.dual(Dual<F64>::variable(x)).derivative.v;
    const double scale = std::fabs(c.value(F64(x)).v) + std::fabs(expected) + 1;
    EXPECT_NEAR(c.dual_f32(Dual<F32>::variable(x)).derivative.v, expected, 0x1p-20 * scale)
        << "x = " << x;
  }
}

INSTANTIATE_TEST_SUITE_P(Math, Derivative, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Dual, TakesTheDerivativeZeroAtCorners) {
  const auto zero = Dual<F32>::variable(0);
  EXPECT_EQ(relu(zero).derivative.v, 0);
  EXPECT_EQ(max(zero, 0).derivative.v, 0);
  EXPECT_EQ(min(zero, 0).derivative.v, 0);
  EXPECT_EQ(abs(zero).derivative.v, 0);
  EXPECT_EQ(relu(Dual<F32>::variable(std::numeric_limits<float>::quiet_NaN())).derivative.v, 0);
}

TEST(Dual, KeepsTheSigmoidDerivativeAccurateFarOut) {
  const float derivative = sigmoid(Dual<F32>::variable(16)).derivative.v;
  EXPECT_NEAR(derivative, 1.12535149e-7, 1e-13);
  EXPECT_GT(tanh(Dual<F32>::variable(20)).derivative.v, 0);
}

TEST(Dual, WorksOnPlainDoubleAndFloat) {
  EXPECT_DOUBLE_EQ(sin(Dual<double>::variable(0.5)).derivative, std::cos(0.5));
  EXPECT_EQ(exp(Dual<float>::variable(0)).derivative, 1);
  EXPECT_EQ((2 * Dual<double>::variable(3) + 1).derivative, 2);
}

TEST(Dual, WorksLaneByLane) {
  const float x[8] = {-3, -1, -0.5f, 0, 0.5f, 1, 3, 16};
  float lanes[8];
  sigmoid(Dual<F32x8>::variable(F32x8::load(x))).derivative.store(lanes);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(lanes[i], sigmoid(Dual<F32>::variable(x[i])).derivative.v);
  }
}

}  // namespace
}  // namespace soma_test
