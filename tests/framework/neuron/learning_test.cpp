// Units that learn by a slope or by correlation.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "soma/dataset.hpp"
#include "soma/error.hpp"
#include "soma/neuron.hpp"
#include "soma/philox.hpp"

namespace soma {
namespace {

/// Uniform noise, stretched along (0.6, 0.8, 0) by 3 and along (0, 0, 1) by 1/2.
std::vector<float> stretched(std::size_t n) {
  const PhiloxStream stream(8, "stretched");
  std::vector<float> x;
  for (std::uint32_t i = 0; i < n; ++i) {
    const float a = 3 * (2 * stream.uniform(0, i) - 1), b = 2 * stream.uniform(1, i) - 1;
    const float c = (2 * stream.uniform(2, i) - 1) / 2;
    for (const float v : {0.6f * a - 0.8f * b, 0.8f * a + 0.6f * b, c}) x.push_back(v);
  }
  return x;
}

/// The direction of largest variance, by power iteration on the covariance in float64.
std::array<double, 3> first_component(const std::vector<float>& x) {
  std::array<std::array<double, 3>, 3> covariance{};
  for (std::size_t i = 0; i < x.size(); i += 3) {
    for (std::size_t a = 0; a < 3; ++a) {
      for (std::size_t b = 0; b < 3; ++b) covariance[a][b] += double{x[i + a]} * x[i + b];
    }
  }
  std::array<double, 3> v = {1, 1, 1};
  for (int step = 0; step < 200; ++step) {
    std::array<double, 3> next{};
    double length = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      for (std::size_t b = 0; b < 3; ++b) next[a] += covariance[a][b] * v[b];
      length += next[a] * next[a];
    }
    for (std::size_t a = 0; a < 3; ++a) v[a] = next[a] / std::sqrt(length);
  }
  return v;
}

TEST(HebbUnit, FindsTheFirstPrincipalComponentByOjasRule) {
  const auto x = stretched(2000);
  const auto expected = first_component(x);
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    HebbUnit unit(3, HebbUnit::Rule::oja, seed);
    EXPECT_NEAR(unit.length(), 1, 1e-6);
    for (int epoch = 0; epoch < 20; ++epoch) {
      for (std::size_t i = 0; i < x.size(); i += 3) {
        unit.learn(std::span(x).subspan(i, 3), 0.002f / static_cast<float>(1 + epoch));
      }
    }
    double cosine = 0;
    for (std::size_t k = 0; k < 3; ++k) cosine += expected[k] * unit.weights()[k];
    EXPECT_GT(std::fabs(cosine), 0.999) << seed;
    EXPECT_NEAR(unit.length(), 1, 0.02) << seed;
  }
}

TEST(HebbUnit, GrowsWithoutBoundByHebbsRule) {
  const auto x = stretched(500);
  HebbUnit unit(3, HebbUnit::Rule::hebb);
  double before = unit.length();
  for (int epoch = 0; epoch < 5; ++epoch) {
    for (std::size_t i = 0; i < x.size(); i += 3) unit.learn(std::span(x).subspan(i, 3), 0.01f);
    EXPECT_GT(unit.length(), 2 * before);
    before = unit.length();
  }
  EXPECT_THROW(unit.response(std::array<float, 2>{}), ShapeError);
  EXPECT_THROW(HebbUnit(0, HebbUnit::Rule::oja), ShapeError);
}

TEST(SigmoidNeuron, LearnsAndAndOrButNotExclusiveOr) {
  const std::vector<float> x = {0, 0, 0, 1, 1, 0, 1, 1};
  const auto fitted = [&](const std::vector<float>& targets, SigmoidNeuron::Error error) {
    SigmoidNeuron unit(2, error);
    unit.fit(x, targets, 2.0f, 3000);
    int right = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      right += (unit.probability(std::span(x).subspan(2 * i, 2)) > 0.5f) == (targets[i] > 0.5f);
    }
    return right;
  };
  for (const auto error : {SigmoidNeuron::Error::cross_entropy, SigmoidNeuron::Error::squared}) {
    EXPECT_EQ(fitted({0, 0, 0, 1}, error), 4);
    EXPECT_EQ(fitted({0, 1, 1, 1}, error), 4);
    EXPECT_LT(fitted({0, 1, 1, 0}, error), 4);
  }
}

TEST(SigmoidNeuron, StepsDownTheSlopeOfItsError) {
  for (const auto kind : {SigmoidNeuron::Error::cross_entropy, SigmoidNeuron::Error::squared}) {
    SigmoidNeuron unit(3, kind);
    const std::array<float, 3> x = {0.5f, -1.25f, 2};
    unit.learn(x, 1, 0.5f);
    const SigmoidNeuron before = unit;
    unit.learn(x, 0.25f, 1);
    for (std::size_t k = 0; k < 3; ++k) {
      const auto moved = [&](float by) {
        SigmoidNeuron other = before;
        other.neuron().weights()[k] += by;
        return other.error(x, 0.25f);
      };
      const double slope = (moved(1.0f / 256) - moved(-1.0f / 256)) * 128;
      EXPECT_NEAR(before.neuron().weights()[k] - unit.neuron().weights()[k], slope, 1e-4);
    }
  }
}

TEST(SigmoidNeuron, TellsProbabilities) {
  // Classes drawn with known odds: the unit finds them, to the accuracy of the sample.
  const PhiloxStream stream(4, "odds");
  std::vector<float> x, targets;
  for (std::uint32_t i = 0; i < 4000; ++i) {
    x.push_back(4 * stream.uniform(0, i) - 2);
    const double odds = std::exp(1.5 * double{x.back()} - 0.5);
    targets.push_back(stream.uniform(1, i) < odds / (1 + odds) ? 1.0f : 0.0f);
  }
  SigmoidNeuron unit(1);
  const double error = unit.fit(x, targets, 2, 500);
  EXPECT_LT(error, 0.6);
  EXPECT_NEAR(unit.neuron().weights()[0], 1.5, 0.15);
  EXPECT_NEAR(unit.neuron().bias(), -0.5, 0.1);
  EXPECT_THROW(unit.learn(std::array<float, 1>{1}, 2, 0.1f), ShapeError);
  EXPECT_THROW(unit.fit({}, {}, 1, 1), ShapeError);
}

}  // namespace
}  // namespace soma
