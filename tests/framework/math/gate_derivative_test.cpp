#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numbers>
#include <ostream>
#include <vector>

#include "soma/sdk/math/gates.hpp"

// A derivative that crosses zero cancels there, so its error is measured against the sum of the
// |terms| it is made of: s + |h| s (1 - s) and the like.

namespace soma_test {
namespace {

using namespace soma::math;

double logistic_terms(double h, double v) {
  return soma::math::sigmoid(v) * (1 + std::abs(h) * soma::math::sigmoid(-v));
}

struct GateCase {
  const char* name;
  F32x8 (*lanes)(F32x8);
  double (*oracle)(double);
  double (*terms)(double);
};
void PrintTo(const GateCase& c, std::ostream* out) { *out << c.name; }

const GateCase kCases[] = {
    {"silu", [](F32x8 x) { return silu_derivative(x); },
     [](double x) { return silu_derivative(x); }, [](double x) { return logistic_terms(x, x); }},
    {"gelu", [](F32x8 x) { return gelu_derivative(x); },
     [](double x) { return gelu_derivative(x); },
     [](double x) {
       return 0.5 * std::erfc(-x / std::numbers::sqrt2) +
              std::abs(x) * std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
     }},
    {"gelu_tanh", [](F32x8 x) { return gelu_tanh_derivative(x); },
     [](double x) { return gelu_tanh_derivative(x); },
     [](double x) {
       constexpr double kA = detail::kGeluTanhA, kB = detail::kGeluTanhB;
       return logistic_terms(x * (kA + 3 * kB * x * x), x * (kA + kB * x * x));
     }},
    {"mish", [](F32x8 x) { return mish_derivative(x); },
     [](double x) { return mish_derivative(x); },
     [](double x) {
       const double t = std::tanh(soma::math::softplus(x));
       return t + std::abs(x) * (1 - t * t) * soma::math::sigmoid(x);
     }},
};

class GateDerivative : public testing::TestWithParam<GateCase> {};

TEST_P(GateDerivative, StaysWithinSevenRoundingsOfItsTerms) {
  constexpr double kU = 0x1p-24, kTiny = 0x1p-149;
  const GateCase& c = GetParam();
  const std::uint64_t stride = std::getenv("SOMA_FULL_SWEEP") != nullptr ? 1 : 1021;
  std::vector<float> x, y;
  double worst = 0;
  for (std::uint64_t pattern = 0; pattern >> 32 == 0;) {
    x.clear();
    for (; x.size() < 4099 && pattern >> 32 == 0; pattern += stride) {
      x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(pattern)));
    }
    y.resize(x.size());
    transform_as<F32x8>(x.data(), y.data(), static_cast<std::int64_t>(x.size()), c.lanes);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = c.oracle(x[i]);
      ASSERT_EQ(std::isnan(expected), std::isnan(y[i])) << std::hexfloat << "x = " << x[i];
      if (std::isnan(expected)) continue;
      const double terms = std::abs(x[i]) < 700 ? c.terms(x[i]) : std::abs(expected);
      const double error = std::abs(static_cast<double>(y[i]) - expected);
      ASSERT_LE(error, 7 * kU * terms + kTiny) << std::hexfloat << "x = " << x[i];
      if (terms > 0) worst = std::max(worst, (error - kTiny) / (kU * terms));
    }
  }
  RecordProperty("worst_roundings", std::to_string(worst));
}

INSTANTIATE_TEST_SUITE_P(Math, GateDerivative, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace soma_test
