#include "soma/sdk/ops/activation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

constexpr std::size_t kBatch = 5, kFeatures = 6;

std::vector<std::string> activation_names() {
  std::vector<std::string> names = {"identity", "swish", "prelu"};
  for (const ops::NamedActivation& row : ops::kNamedActivations) names.emplace_back(row.name);
  return names;
}

std::vector<float> numbers(std::size_t n, const char* name) {
  const PhiloxStream stream(5, name);
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    values[i] = 2 * stream.uniform(0, static_cast<std::uint32_t>(i)) - 1;
  }
  return values;
}

std::vector<float> predictions(const Model& net, const std::string& backend_name,
                               std::size_t outputs) {
  const Predictor predict(net, backend(backend_name, {.numerics = Numerics::exact}),
                          {.max_batch = kBatch});
  std::vector<float> result(kBatch * outputs);
  predict.run(numbers(kBatch * kFeatures, "inputs"), result);
  return result;
}

Model regression(Model net) {
  net.set_loss(Loss::mean_squared_error);
  net.initialize(4);
  return net;
}

class ActivationNamed : public testing::TestWithParam<std::string> {};

TEST_P(ActivationNamed, HasTheSameBitsInAnEpilogueAndAlone) {
  Model fused({kFeatures}), apart({kFeatures});
  fused.add(Dense{.units = 7, .activation = GetParam(), .init = Init::he_normal}, "fc");
  apart.add(Dense{.units = 7, .init = Init::he_normal}, "fc").add(Activation{GetParam()});
  const Model a = regression(std::move(fused)), b = regression(std::move(apart));
  const auto bits = [](std::vector<float> values) {
    for (float& v : values) v = std::isnan(v) ? 9e9f : v;  // any NaN equals any NaN
    return values;
  };
  const std::vector<float> expected = bits(predictions(a, "reference", 7));
  for (const std::string backend_name : {"reference", "tbb", "onednn"}) {
    EXPECT_EQ(bits(predictions(a, backend_name, 7)), expected) << backend_name;
    EXPECT_EQ(bits(predictions(b, backend_name, 7)), expected) << backend_name;
  }
}

/// One small step of plain SGD lowers the loss by the step times the square of the gradient, if it
/// is the gradient.
void expect_descent(Model net, std::size_t outputs) {
  constexpr double kRate = 5e-4;
  const auto inputs = numbers(kBatch * kFeatures, "inputs");
  const auto targets = numbers(kBatch * outputs, "targets");
  Trainer trainer(net, backend("reference"), {.optimizer = Sgd{.learning_rate = kRate}});
  std::vector<std::vector<float>> before;
  for (const Parameter& p : net.parameters()) {
    before.emplace_back(p.value.as<float>().begin(), p.value.as<float>().end());
  }
  const double first = trainer.step(inputs, targets);
  double square = 0;
  for (std::size_t k = 0; const Parameter& p : net.parameters()) {
    for (std::size_t i = 0; const float w : p.value.as<float>()) {
      const double g = (static_cast<double>(before[k][i++]) - static_cast<double>(w)) / kRate;
      square += g * g;
    }
    ++k;
  }
  const double second = trainer.step(inputs, targets);
  ASSERT_GT(square, 1e-4);
  EXPECT_NEAR((first - second) / (kRate * square), 1, 0.03);
}

TEST_P(ActivationNamed, LetsTheLossGoDownAlongItsGradient) {
  // Logarithms and roots of negative numbers are NaN; a step cannot be descended.
  if (GetParam() == "log" || GetParam() == "sqrt" || GetParam() == "step") return;
  Model net({kFeatures});
  net.add(Dense{.units = 7, .activation = GetParam()}).add(Dense{.units = 3});
  expect_descent(regression(std::move(net)), 3);
}

INSTANTIATE_TEST_SUITE_P(Engine, ActivationNamed, testing::ValuesIn(activation_names()),
                         [](const auto& info) { return info.param; });

TEST(Activations, TakeHeBeforeWhatGrowsAndXavierBeforeWhatSaturates) {
  const auto first_weight = [](const std::string& activation, Init init) {
    Model net({kFeatures});
    net.add(Dense{.units = 7, .activation = activation, .init = init}, "fc");
    net.initialize(1);
    return net.parameters()[0].value.as<float>()[0];
  };
  for (const char* name : {"gelu", "silu", "mish", "elu", "leaky_relu", "hard_swish"}) {
    EXPECT_EQ(first_weight(name, Init::automatic), first_weight(name, Init::he_normal)) << name;
  }
  for (const char* name : {"softsign", "hard_sigmoid", "identity"}) {
    EXPECT_EQ(first_weight(name, Init::automatic), first_weight(name, Init::xavier_uniform))
        << name;
  }
}

TEST(PRelu, LearnsOneSlopeForEachChannel) {
  Model net({2, 3});
  net.add(Activation{.function = "prelu"}, "bend");
  net.set_loss(Loss::mean_squared_error);
  net.initialize(1);
  ASSERT_EQ(net.parameters().size(), 1u);
  EXPECT_EQ(net.parameters()[0].name, "bend.slope");
  ASSERT_EQ(net.parameters()[0].value.shape(), Shape({3}));
  for (const float slope : net.parameters()[0].value.as<float>()) EXPECT_EQ(slope, 0.25f);

  const std::vector<float> x = numbers(60, "prelu");
  std::vector<float> targets(x);
  const float slopes[] = {0.1f, -0.5f, 2.0f};
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] < 0) targets[i] = slopes[i % 3] * x[i];
  }
  Trainer trainer(net, backend("tbb"), {.optimizer = Sgd{.learning_rate = 2}});
  for (int step = 0; step < 300; ++step) trainer.step(x, targets);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(net.parameters()[0].value.as<float>()[c], slopes[c], 1e-3) << "channel " << c;
  }
}

TEST(SoftmaxLayer, SumsToOneOverTheLastAxisOfAnyRank) {
  Model net({2, 3});
  net.add(Softmax{});
  const std::vector<float> p = predictions(regression(std::move(net)), "tbb", 6);
  for (std::size_t row = 0; row < p.size(); row += 3) {
    EXPECT_NEAR(std::accumulate(&p[row], &p[row] + 3, 0.0), 1, 1e-6);
  }
}

TEST(LogSoftmaxLayer, IsTheLogarithmOfSoftmax) {
  Model probabilities({2, 3}), logarithms({2, 3});
  probabilities.add(Softmax{});
  logarithms.add(LogSoftmax{});
  const auto p = predictions(regression(std::move(probabilities)), "tbb", 6);
  const auto y = predictions(regression(std::move(logarithms)), "tbb", 6);
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(y[i], std::log(p[i]), 1e-6);
}

TEST(SoftmaxLayers, LetTheLossGoDownAlongTheirGradient) {
  Model soft({kFeatures}), logarithm({kFeatures});
  soft.add(Dense{.units = 4}).add(Softmax{}).add(Dense{.units = 3});
  expect_descent(regression(std::move(soft)), 3);
  logarithm.add(Dense{.units = 3}).add(LogSoftmax{});
  expect_descent(regression(std::move(logarithm)), 3);
}

}  // namespace
}  // namespace soma
