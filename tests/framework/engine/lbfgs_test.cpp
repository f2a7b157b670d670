#include "soma/lbfgs.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "soma/philox.hpp"

namespace soma {
namespace {

double rosenbrock(std::span<const double> x, std::span<double> g) {
  double f = 0;
  std::ranges::fill(g, 0.0);
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    f += 100 * a * a + b * b;
    g[i] += -400 * x[i] * a - 2 * b;
    g[i + 1] += 200 * a;
  }
  return f;
}

TEST(Lbfgs, FindsTheMinimumOfACurvedValley) {
  for (const std::size_t n : {2u, 10u, 100u}) {
    std::vector<double> x(n);
    for (std::size_t i = 0; i < n; ++i) x[i] = i % 2 == 0 ? -1.2 : 1.0;
    const Lbfgs lbfgs{.iterations = 1000, .gradient_tolerance = 1e-9, .change_tolerance = 0};
    const auto result = lbfgs.minimize(rosenbrock, x);
    EXPECT_LE(result.gradient, 1e-7) << n << " after " << result.iterations;
    EXPECT_LT(result.evaluations, 2 * result.iterations + 10) << n;
    // Of the minima for n > 3 one is all ones; from here each of them is a minimum of f.
    if (n == 2) {
      EXPECT_NEAR(x[0], 1, 1e-8);
      EXPECT_NEAR(x[1], 1, 1e-8);
      EXPECT_LT(result.iterations, 60);
    }
  }
}

TEST(Lbfgs, SolvesAQuadraticOfManyScales) {
  std::vector<double> x(50, 1.0);
  const auto f = [](std::span<const double> at, std::span<double> g) {
    double sum = 0;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double scale = std::pow(10.0, static_cast<double>(i % 5)), d = at[i] - 3;
      sum += scale * d * d / 2;
      g[i] = scale * d;
    }
    return sum;
  };
  const auto result = Lbfgs{.gradient_tolerance = 1e-8, .change_tolerance = 0}.minimize(f, x);
  EXPECT_EQ(result.end, Lbfgs::End::gradient);
  for (const double v : x) EXPECT_NEAR(v, 3, 1e-8);
}

/// Three overlapping clouds of points.
Dataset clouds() {
  const PhiloxStream numbers(3, "clouds");
  Tensor inputs({150, 4});
  std::vector<std::int32_t> labels;
  for (std::uint32_t i = 0; i < 150; ++i) {
    labels.push_back(static_cast<std::int32_t>(i % 3));
    for (std::uint32_t k = 0; k < 4; ++k) {
      const float centre = static_cast<float>((i % 3) * (k + 1) % 3);
      inputs.as<float>()[i * 4 + k] = centre + 3 * numbers.uniform(0, i * 4 + k);
    }
  }
  return Dataset("clouds", std::move(inputs), labels, {"a", "b", "c"});
}

TEST(Lbfgs, FitsSoftmaxRegressionTheSameOnEveryBackend) {
  const Dataset data = clouds();
  std::string expected;
  for (const std::string name : {"reference", "tbb", "onednn"}) {
    for (const int threads : {1, 2}) {
      Model net({4});
      net.add(Dense{.units = 3});
      const Backend exact = backend(name, {.numerics = Numerics::exact});
      const auto result =
          Lbfgs{.gradient_tolerance = 1e-4, .change_tolerance = 0}.fit(net, exact, data, threads);
      EXPECT_LE(result.gradient, 1e-3) << name;
      EXPECT_LT(result.loss, 0.9) << name;
      if (expected.empty()) expected = net.weights_sha256();
      EXPECT_EQ(net.weights_sha256(), expected) << name << ", " << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace soma
