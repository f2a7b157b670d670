#include <gtest/gtest.h>

#include <cmath>

#include "soma/error.hpp"
#include "soma/model.hpp"

namespace soma {
namespace {

std::vector<float> drawn(const Init& init, std::int64_t units, std::int64_t inputs) {
  Model net({inputs});
  net.add(Dense{.units = units, .init = init}, "out");
  net.initialize(1);
  const auto values = net.parameter("out.weight").value.as<float>();
  return {values.begin(), values.end()};
}

struct Moments {
  double mean, variance, low, high;
};
Moments moments(const std::vector<float>& values) {
  Moments m{0, 0, values[0], values[0]};
  for (const float v : values) {
    m.mean += v;
    m.variance += double{v} * v;
    m.low = std::min(m.low, double{v});
    m.high = std::max(m.high, double{v});
  }
  const double n = static_cast<double>(values.size());
  m.mean /= n;
  m.variance = m.variance / n - m.mean * m.mean;
  return m;
}

TEST(Initialisers, DrawWhatTheyPromise) {
  for (const float v : drawn(Init::constant(0.75), 3, 5)) EXPECT_EQ(v, 0.75f);
  const Moments normal = moments(drawn(Init::normal(0.02), 300, 400));
  EXPECT_NEAR(normal.mean, 0, 2e-4);
  EXPECT_NEAR(normal.variance, 4e-4, 1e-5);
  const Moments uniform = moments(drawn(Init::uniform(1, 3), 300, 400));
  EXPECT_NEAR(uniform.mean, 2, 0.01);
  EXPECT_GE(uniform.low, 1);
  EXPECT_LT(uniform.high, 3);
  EXPECT_NEAR(uniform.variance, 1.0 / 3, 0.01);
  EXPECT_NEAR(moments(drawn(Init::lecun_normal, 300, 400)).variance, 1.0 / 400, 5e-5);
  const Moments lecun = moments(drawn(Init::lecun_uniform, 300, 400));
  EXPECT_NEAR(lecun.variance, 1.0 / 400, 5e-5);
  EXPECT_LE(lecun.high, std::sqrt(3.0 / 400));
}

TEST(Initialisers, OrthogonalRowsOrColumnsAre) {
  for (const auto& [units, inputs] :
       {std::pair<std::int64_t, std::int64_t>{5, 5}, {3, 8}, {8, 3}, {1, 4}, {4, 1}, {40, 65}}) {
    const std::vector<float> w = drawn(Init::orthogonal(2), units, inputs);
    const auto at = [&](std::int64_t i, std::int64_t k) {
      return double{units <= inputs ? w[static_cast<std::size_t>(i * inputs + k)]
                                    : w[static_cast<std::size_t>(k * inputs + i)]};
    };
    const std::int64_t few = std::min(units, inputs), many = std::max(units, inputs);
    for (std::int64_t i = 0; i < few; ++i) {
      for (std::int64_t j = 0; j < few; ++j) {
        double dot = 0;
        for (std::int64_t k = 0; k < many; ++k) dot += at(i, k) * at(j, k);
        EXPECT_NEAR(dot, i == j ? 4 : 0, 2e-6) << units << " x " << inputs;
      }
    }
  }
}

TEST(Initialisers, IdentityPassesTheImageOn) {
  const std::vector<float> matrix = drawn(Init::identity, 2, 3);
  EXPECT_EQ(matrix, (std::vector<float>{1, 0, 0, 0, 1, 0}));
  Model net({4, 4, 2});
  net.add(Conv2d{.filters = 2, .kernel = 3, .padding = Padding::same, .init = Init::identity},
          "conv");
  net.initialize(1);
  const auto w = net.parameter("conv.weight").value.as<float>();  // [2,3,3,2]
  for (std::size_t i = 0; i < w.size(); ++i) {
    EXPECT_EQ(w[i], i == 8 || i == 18 + 9 ? 1.0f : 0.0f) << i;
  }
}

TEST(Initialisers, ComeBackFromTheirText) {
  for (const char* text :
       {"auto", "zeros", "ones", "constant(-0.5)", "normal(0.02)", "uniform(-1,0.25)",
        "lecun_uniform", "orthogonal", "orthogonal(1.41)", "identity"}) {
    EXPECT_EQ(name_of(init_from_name(text)), text);
  }
  for (const char* text : {"normal", "normal()", "normal(x)", "normal(1,2)", "normal(-1)",
                           "uniform(1)", "uniform(2,1)", "zeros(1)", "normal(1", "he"}) {
    EXPECT_THROW(init_from_name(text), ShapeError) << text;
  }
}

}  // namespace
}  // namespace soma
