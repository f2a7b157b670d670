// Units of 1907 to 1958: McCulloch-Pitts, integrate-and-fire, perceptron.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "soma/error.hpp"
#include "soma/neuron.hpp"
#include "soma/philox.hpp"

namespace soma {
namespace {

TEST(McCullochPitts, FiresWhenTheSumReachesTheThreshold) {
  const McCullochPitts both({1, 1}, 2), either({1, 1}, 1), no({-1}, 0);
  for (std::uint32_t x = 0; x < 4; ++x) {
    EXPECT_EQ(both.fires(x), x == 3);
    EXPECT_EQ(either.fires(x), x != 0);
  }
  EXPECT_TRUE(no.fires(0u));
  EXPECT_FALSE(no.fires(1u));
  EXPECT_TRUE(both.fires(std::array<std::uint8_t, 2>{1, 1}));
}

TEST(McCullochPitts, AnAbsoluteInhibitoryInputIsAVeto) {
  const std::vector<std::int8_t> weights = {1, 1, -1};
  const McCullochPitts veto(weights, 1, McCullochPitts::Inhibition::absolute);
  const McCullochPitts counted(weights, 1);
  EXPECT_TRUE(veto.fires(0b001u));
  EXPECT_FALSE(veto.fires(0b111u));
  EXPECT_TRUE(counted.fires(0b111u));
}

TEST(McCullochPitts, RefusesOtherWeightsAndInputs) {
  EXPECT_THROW(McCullochPitts({2}, 1), ShapeError);
  EXPECT_THROW(McCullochPitts(std::vector<std::int8_t>(33, 1), 1), ShapeError);
  const McCullochPitts unit({1, 1}, 1);
  EXPECT_THROW(unit.fires(std::array<std::uint8_t, 1>{1}), ShapeError);
  EXPECT_THROW(unit.fires(std::array<std::uint8_t, 2>{1, 2}), ShapeError);
}

std::vector<std::uint8_t> table_of(std::uint32_t function, int inputs) {
  std::vector<std::uint8_t> table;
  for (int row = 0; row < 1 << inputs; ++row) {
    table.push_back(static_cast<std::uint8_t>(function >> row & 1));
  }
  return table;
}

/// Whether some single neuron of those weights and thresholds computes it, by trying all.
bool some_neuron_computes(const std::vector<std::uint8_t>& table, int inputs) {
  int choices = 1;
  for (int k = 0; k < inputs; ++k) choices *= 3;
  for (int choice = 0; choice < choices; ++choice) {
    std::vector<std::int8_t> weights;
    for (int k = 0, rest = choice; k < inputs; ++k, rest /= 3) {
      weights.push_back(static_cast<std::int8_t>(rest % 3 - 1));
    }
    for (int threshold = -inputs; threshold <= inputs + 1; ++threshold) {
      const McCullochPitts unit(weights, threshold);
      bool same = true;
      for (std::uint32_t row = 0; row < table.size() && same; ++row) {
        same = unit.fires(row) == (table[row] != 0);
      }
      if (same) return true;
    }
  }
  return false;
}

TEST(McCullochPittsNetwork, ComputesAll65536FunctionsOfFourInputs) {
  std::int64_t wrong = 0, singles = 0;
  for (std::uint32_t function = 0; function < 65536; ++function) {
    const auto table = table_of(function, 4);
    const auto network = McCullochPittsNetwork::compile(table);
    for (std::uint32_t row = 0; row < 16; ++row) {
      wrong += network.fires(row) != (table[row] != 0);
    }
    singles += network.hidden().empty();
    ASSERT_LE(network.hidden().size(), 8u) << function;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(singles, 100);
}

TEST(McCullochPittsNetwork, IsOneNeuronWhereverOneCanDoIt) {
  for (int inputs = 1; inputs <= 3; ++inputs) {
    for (std::uint32_t function = 0; function < 1u << (1 << inputs); ++function) {
      const auto table = table_of(function, inputs);
      EXPECT_EQ(McCullochPittsNetwork::compile(table).hidden().empty(),
                some_neuron_computes(table, inputs))
          << function << " of " << inputs;
    }
  }
}

TEST(McCullochPittsNetwork, NeedsHiddenNeuronsForExclusiveOr) {
  const auto network = McCullochPittsNetwork::compile(std::array<std::uint8_t, 4>{0, 1, 1, 0});
  EXPECT_EQ(network.hidden().size(), 2u);
}

TEST(McCullochPittsNetwork, TakesUpTo16Inputs) {
  const PhiloxStream stream(3, "table");
  std::vector<std::uint8_t> table(1 << 12);
  for (std::uint32_t i = 0; i < table.size(); ++i) table[i] = stream.bits(0, i) & 1;
  const auto network = McCullochPittsNetwork::compile(table);
  for (std::uint32_t i = 0; i < table.size(); ++i) ASSERT_EQ(network.fires(i), table[i] != 0);
  std::vector<std::uint8_t> majority(1 << 16);
  for (std::uint32_t i = 0; i < majority.size(); ++i) majority[i] = __builtin_popcount(i) >= 8;
  EXPECT_TRUE(McCullochPittsNetwork::compile(majority).hidden().empty());
  EXPECT_THROW(McCullochPittsNetwork::compile(std::vector<std::uint8_t>(3)), ShapeError);
  EXPECT_THROW(McCullochPittsNetwork::compile(std::vector<std::uint8_t>(1)), ShapeError);
  EXPECT_THROW(McCullochPittsNetwork::compile(std::vector<std::uint8_t>(1 << 17)), ShapeError);
  EXPECT_THROW(McCullochPittsNetwork::compile(std::array<std::uint8_t, 2>{0, 2}), ShapeError);
}

/// Points of a cube that a random hyperplane through it separates, none nearer to it than 0.05.
struct Separable {
  std::vector<float> x;
  std::vector<int> targets;
  double gamma = 1e9, radius2 = 0;  // of the samples (x, 1)

  explicit Separable(std::uint32_t number) {
    const PhiloxStream stream(17, "separable");
    std::uint32_t element = 0;
    const auto next = [&] { return 2.0 * stream.uniform(number, element++) - 1; };
    const std::array<double, 4> plane = {next(), next(), next(), next() / 2};
    double length = 0;
    for (const double p : plane) length += p * p;
    while (targets.size() < 30) {
      const std::array<float, 3> point = {static_cast<float>(next()), static_cast<float>(next()),
                                          static_cast<float>(next())};
      double distance = plane[3], square = 1;
      for (std::size_t k = 0; k < 3; ++k) {
        distance += plane[k] * point[k];
        square += double{point[k]} * point[k];
      }
      distance /= std::sqrt(length);
      if (std::fabs(distance) < 0.05) continue;
      x.insert(x.end(), point.begin(), point.end());
      targets.push_back(distance > 0 ? 1 : -1);
      gamma = std::min(gamma, std::fabs(distance));
      radius2 = std::max(radius2, square);
    }
  }
};

TEST(Perceptron, MakesAtMostAsManyMistakesAsTheTheoremSays) {
  for (std::uint32_t number = 0; number < 1000; ++number) {
    const Separable set(number);
    Perceptron unit(3);
    const auto fit = unit.fit(set.x, set.targets, 10'000);
    ASSERT_TRUE(fit.separated) << number;
    ASSERT_LE(static_cast<double>(unit.mistakes()), set.radius2 / (set.gamma * set.gamma));
    ASSERT_EQ(unit.mistakes(), fit.mistakes);
    ASSERT_EQ(fit.least_error, 0);
    ASSERT_GT(unit.margin(set.x, set.targets), 0);
    ASSERT_LE(unit.margin(set.x, set.targets), std::sqrt(set.radius2));
  }
}

TEST(Perceptron, CyclesForEverOnExclusiveOr) {
  const std::vector<float> x = {0, 0, 0, 1, 1, 0, 1, 1};
  const std::vector<int> targets = {-1, 1, 1, -1};
  Perceptron unit(2);
  const auto fit = unit.fit(x, targets, 1000);
  EXPECT_FALSE(fit.separated);
  EXPECT_GT(fit.cycle_length, 0);
  EXPECT_LT(fit.epochs, 1000);
  EXPECT_GE(fit.least_error, 0.25);
  const std::vector<float> weights(unit.weights().begin(), unit.weights().end());
  const float bias = unit.bias();
  for (std::int64_t epoch = 0; epoch < fit.cycle_length; ++epoch) {
    for (std::size_t i = 0; i < 4; ++i) unit.learn(std::span(x).subspan(2 * i, 2), targets[i]);
  }
  EXPECT_TRUE(std::ranges::equal(unit.weights(), weights));
  EXPECT_EQ(unit.bias(), bias);
}

TEST(Perceptron, RefusesWhatDoesNotFit) {
  EXPECT_THROW(Perceptron(0), ShapeError);
  EXPECT_THROW(Perceptron(2, 0), ShapeError);
  Perceptron unit(2);
  const std::array<float, 2> x = {1, 2};
  EXPECT_THROW(unit.learn(x, 0), ShapeError);
  EXPECT_THROW(unit.predict(std::span(x).first(1)), ShapeError);
  EXPECT_THROW(unit.fit(x, std::array{1, 1}, 1), ShapeError);
}

TEST(LeakyIntegrateAndFire, FiresAtTheRateOfTheFormula) {
  using Unit = LeakyIntegrateAndFire;
  for (const Unit::Parameters& p :
       {Unit::Parameters{}, Unit::Parameters{.step_ms = 0.01, .tau_ms = 8, .refractory_ms = 0},
        Unit::Parameters{.threshold_mv = -54, .reset_mv = -80, .refractory_ms = 5}}) {
    const Unit unit(p);
    for (const double current : {2.05, 2.5, 3.0, 5.0, 10.0}) {
      const double expected = unit.analytic_rate_hz(current);
      const double measured = unit.rate_hz(current, 3000);
      ASSERT_GT(measured, 0) << current;
      // A period is rounded up to whole steps.
      const double excess = 1000 / measured - 1000 / expected;
      EXPECT_GE(excess, -1e-6) << current;
      EXPECT_LE(excess, p.step_ms + 1e-6) << current;
    }
  }
}

TEST(LeakyIntegrateAndFire, StaysSilentBelowItsThreshold) {
  LeakyIntegrateAndFire unit;
  EXPECT_EQ(unit.analytic_rate_hz(2.0), 0);  // the limit is the threshold itself
  EXPECT_EQ(unit.rate_hz(1.99, 5000), 0);
  for (int i = 0; i < 100'000; ++i) ASSERT_FALSE(unit.step(1.99));
  EXPECT_NEAR(unit.potential_mv(), -50.1, 1e-6);
  unit.reset();
  EXPECT_EQ(unit.potential_mv(), -70);
}

TEST(LeakyIntegrateAndFire, RestsAfterASpike) {
  LeakyIntegrateAndFire unit;
  while (!unit.step(10)) {
  }
  for (int i = 0; i < 20; ++i) {  // 2 ms of 0.1 ms each
    EXPECT_FALSE(unit.step(1000));
    EXPECT_EQ(unit.potential_mv(), -70);
  }
  EXPECT_TRUE(unit.step(1000));
}

TEST(LeakyIntegrateAndFire, RefusesImpossibleParameters) {
  using Unit = LeakyIntegrateAndFire;
  EXPECT_THROW(Unit({.step_ms = 0}), ShapeError);
  EXPECT_THROW(Unit({.tau_ms = -1}), ShapeError);
  EXPECT_THROW(Unit({.threshold_mv = -70}), ShapeError);
  EXPECT_THROW(Unit({.refractory_ms = -1}), ShapeError);
}

}  // namespace
}  // namespace soma
