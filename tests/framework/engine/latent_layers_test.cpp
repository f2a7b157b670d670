#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "soma/error.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

void set(Model& net, const std::string& name, std::initializer_list<float> values) {
  Parameter& p = net.parameter(name);
  std::ranges::copy(values, p.value.as<float>().begin());
  ++p.version;
}

/// Two numbers with a distribution of their own, whatever the input.
Model drawing(double kl) {
  Model net({1}, "drawing");
  net.add(Dense{.units = 2, .init = Init::zeros}, "mean");
  net.add(Dense{.units = 2, .init = Init::zeros}, "log_variance", {"input"});
  net.add(GaussianSample{.kl = kl}, "draw", {"mean", "log_variance"});
  net.set_loss(Loss::mean_squared_error);
  net.initialize(1);
  set(net, "mean.bias", {0.5f, -1.0f});
  set(net, "log_variance.bias", {0.3f, -0.2f});
  return net;
}

Dataset zeros(std::int64_t n, std::int64_t width) {
  return {"zeros", Tensor({n, 1}), Tensor({n, width})};
}

TEST(GaussianSample, AddsTheDivergenceToTheLossOfAnEvaluation) {
  const double of_one = 0.5 * (0.25 + std::exp(0.3) - 0.3 - 1),
               of_other = 0.5 * (1 + std::exp(-0.2) + 0.2 - 1);
  const double squares = (0.25 + 1) / 2;  // in inference the mean is what comes out
  for (const double kl : {0.0, 1.0, 2.5}) {
    Model net = drawing(kl);
    Trainer trainer(net, exact("reference"));
    EXPECT_NEAR(trainer.evaluate(zeros(5, 2), 2).loss, squares + kl * (of_one + of_other), 1e-6);
  }
}

TEST(GaussianSample, GivesTheMeanInInference) {
  const Model net = drawing(1);
  const Predictor predictor(net, exact("reference"));
  std::vector<float> out(2);
  predictor.run(std::vector<float>{0.0f}, out);
  EXPECT_EQ(out, (std::vector<float>{0.5f, -1.0f}));
}

/// The loss of a first step on noise of deviation 2 that `loss` compares with `target`; its square
/// is compared instead if asked for.
double loss_on_noise(const Loss& loss, float target, bool squared = false,
                     const std::string& layer = "noise", std::uint64_t seed = 4, int steps = 1) {
  constexpr std::int64_t kSamples = 20000;
  Model net({3}, "noise");
  net.add(Dense{.units = 3, .bias = false, .init = Init::identity}, "input_as_it_is");
  net.add(GaussianNoise{.deviation = 2}, layer);
  if (squared) net.add(Multiply{}, "square", {layer, layer});
  net.set_loss(loss);
  Trainer trainer(net, exact("tbb"), {.optimizer = Sgd{.learning_rate = 0}, .seed = seed});
  const std::vector<float> x(3 * kSamples, 0.0f), targets(x.size(), target);
  for (int i = 1; i < steps; ++i) trainer.step(x, targets);
  return trainer.step(x, targets);
}

TEST(GaussianNoise, HasTheMomentsOfANormalDistribution) {
  // Of 60,000 numbers; about five of their own deviations wide.
  EXPECT_NEAR(loss_on_noise(Loss::mean_squared_error, 0), 4, 0.12);
  EXPECT_NEAR(loss_on_noise(Loss::mean_squared_error, 1), 5, 0.15);  // so the mean is 0
  EXPECT_NEAR(loss_on_noise(Loss::mean_absolute_error, 0), 2 * std::sqrt(2 / M_PI), 0.025);
  EXPECT_NEAR(loss_on_noise(Loss::mean_squared_error, 0, true), 3 * 16, 3.5);
}

TEST(GaussianNoise, IsDrawnPerUpdateSeedAndLayer) {
  const auto loss = [](const std::string& layer, std::uint64_t seed, int steps) {
    return loss_on_noise(Loss::mean_squared_error, 0, false, layer, seed, steps);
  };
  EXPECT_EQ(loss("noise", 4, 1), loss("noise", 4, 1));
  EXPECT_NE(loss("noise", 4, 1), loss("noise", 4, 2));
  EXPECT_NE(loss("noise", 4, 1), loss("noise", 5, 1));
  EXPECT_NE(loss("noise", 4, 1), loss("other", 4, 1));
}

TEST(GaussianNoise, DoesNothingInInference) {
  Model net({2}, "noise");
  net.add(GaussianNoise{.deviation = 5}, "noise");
  net.initialize(1);
  std::vector<float> out(2);
  Predictor(net, exact("reference"), {.probabilities = false})
      .run(std::vector<float>{0.25f, -3.0f}, out);
  EXPECT_EQ(out, (std::vector<float>{0.25f, -3.0f}));
}

TEST(ActivityPenalty, CountsInTheLossAndPassesItsInputOn) {
  Model net({2}, "sparse");
  net.add(Dense{.units = 2, .init = Init::identity}, "code");
  net.add(ActivityPenalty{.l1 = 0.5, .l2 = 0.25}, "penalty");
  net.set_loss(Loss::mean_squared_error);
  net.initialize(1);
  Tensor x({2, 2});
  std::ranges::copy(std::array{3.0f, -4.0f, 0.0f, 1.0f}, x.as<float>().begin());
  Tensor same = x.clone();
  Trainer trainer(net, exact("reference"));
  // Of one sample 0.5 * sum |x| + 0.125 * sum x^2; the mean of two.
  const double expected = ((0.5 * 7 + 0.125 * 25) + (0.5 * 1 + 0.125 * 1)) / 2;
  EXPECT_NEAR(trainer.evaluate(Dataset("x", std::move(x), std::move(same)), 2).loss, expected,
              1e-6);
}

TEST(LatentLayers, RefuseWhatTheyCannotTake) {
  Model net({4}, "net");
  net.add(Dense{.units = 2}, "two").add(Dense{.units = 3}, "three", {"input"});
  EXPECT_THROW(net.add(GaussianSample{}, "draw", {"two", "three"}), ShapeError);
  EXPECT_THROW(net.add(GaussianSample{}, "draw", {"two"}), ShapeError);
  for (const char* layer : {R"({"type": "gaussian_sample", "kl": -1})",
                            R"({"type": "gaussian_noise", "deviation": -1})",
                            R"({"type": "activity_penalty", "l1": -1})"}) {
    EXPECT_THROW(Model::from_json(R"({"soma_model": 1, "input": [4], "layers": [)" +
                                  std::string(layer) + "]}"),
                 FormatError)
        << layer;
  }
}

}  // namespace
}  // namespace soma
