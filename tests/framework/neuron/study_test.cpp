// What a unit does over data, and what its weights and neighbours are worth: against loops.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>

#include "drawn.hpp"
#include "soma/error.hpp"
#include "soma/neuron.hpp"
#include "soma/predictor.hpp"

namespace soma {
namespace {

constexpr std::int64_t kSamples = 37;

Model small_classifier() {
  Model net({6, 6, 1}, "small");
  net.add(Conv2d{.filters = 3, .kernel = 3, .activation = "relu"}, "conv1");
  net.add(MaxPool2d{.size = 2}, "pool");
  net.add(Conv2d{.filters = 4, .kernel = 2, .activation = "relu"}, "conv2");
  net.add(Flatten{}, "flat").add(Dense{.units = 3}, "out");
  draw_parameters(net);
  return net;
}

Dataset samples() {
  Tensor inputs({kSamples, 6, 6, 1});
  std::ranges::copy(drawn(kSamples * 36, "samples"), inputs.as<float>().begin());
  std::vector<std::int32_t> labels;
  for (std::int32_t i = 0; i < kSamples; ++i) labels.push_back(i * i % 3);
  return {"drawn", std::move(inputs), std::move(labels), {"a", "b", "c"}};
}

TEST(NeuronResponses, AreThePeaksOfEverySample) {
  const Model net = small_classifier();
  const NeuronView unit = net.layer("conv1").neuron(1);
  const Dataset data = samples();
  const auto x = drawn(kSamples * 36, "samples");
  const auto all = unit.respond(std::span<const float>(x));
  for (const std::string& name : backend_names()) {
    const auto found =
        responses(unit, data, backend(name, {.numerics = Numerics::exact}), {.batch = 8});
    ASSERT_EQ(std::ssize(found.peaks), kSamples);
    int firing = 0;
    for (std::size_t i = 0; i < kSamples; ++i) {
      const auto one = std::span(all.activations).subspan(i * 16, 16);
      const auto best = std::ranges::max_element(one) - one.begin();
      EXPECT_EQ(found.peaks[i], one[static_cast<std::size_t>(best)]) << name;
      EXPECT_EQ(found.positions[i], best) << name;
      EXPECT_EQ(found.sums[i], all.pre_activations[i * 16 + static_cast<std::size_t>(best)]);
      EXPECT_NEAR(found.means[i], std::accumulate(one.begin(), one.end(), 0.0) / 16, 1e-6);
      firing += static_cast<int>(std::ranges::count_if(one, [](float v) { return v > 0; }));
    }
    EXPECT_DOUBLE_EQ(found.firing, firing / (16.0 * kSamples));
    const auto top = found.top(5);
    ASSERT_EQ(top.size(), 5u);
    for (std::size_t i = 0; i < kSamples; ++i) {
      const bool kept = std::ranges::count(top, static_cast<std::int64_t>(i)) > 0;
      const float least = found.peaks[static_cast<std::size_t>(top.back())];
      EXPECT_TRUE(kept || found.peaks[i] <= least);
    }
    for (std::size_t k = 1; k < 5; ++k) {
      EXPECT_GE(found.peaks[static_cast<std::size_t>(top[k - 1])],
                found.peaks[static_cast<std::size_t>(top[k])]);
    }
  }
}

TEST(ClassSelectivity, IsWhatItsFormulaSays) {
  const std::vector<float> values{4, 6, 1, 0, 1, 2, 9};
  const std::vector<std::int32_t> labels{0, 0, 1, 1, 2, 2, -1};
  const auto found = class_selectivity(values, labels, 4);
  EXPECT_EQ(found.preferred, 0);
  EXPECT_EQ(found.means[0], 5);
  EXPECT_EQ(found.means[1], 0.5);
  EXPECT_TRUE(std::isnan(found.means[3]));
  EXPECT_DOUBLE_EQ(found.index, (5 - 1.0) / (5 + 1.0));
  EXPECT_EQ(found.auc, 1);
  // By all pairs, with ties.
  const std::vector<float> tied{2, 1, 1, 2, 0, 3};
  const std::vector<std::int32_t> of{0, 0, 1, 1, 1, 0};
  double wins = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    for (std::size_t k = 0; k < 6; ++k) {
      if (of[i] != 0 || of[k] != 1) continue;
      wins += tied[i] > tied[k] ? 1 : tied[i] == tied[k] ? 0.5 : 0;
    }
  }
  EXPECT_DOUBLE_EQ(class_selectivity(tied, of, 2).auc, wins / 9);
  // A unit that says the same of all classes.
  const auto flat = class_selectivity(std::vector<float>(6, 1.0f), of, 2);
  EXPECT_EQ(flat.index, 0);
  EXPECT_EQ(flat.auc, 0.5);
}

TEST(Polysemanticity, CountsTheClassesThatShareAUnit) {
  const std::vector<std::int32_t> labels{0, 1, 2, 0, 1, 2};
  const auto one = polysemanticity(std::vector<float>{5, 0, -1, 3, 0, 0}, labels, 3);
  EXPECT_DOUBLE_EQ(one.effective_classes, 1);
  EXPECT_EQ(one.score, 0);
  const auto two = polysemanticity(std::vector<float>{2, 2, 0, 2, 2, 0}, labels, 3);
  EXPECT_NEAR(two.effective_classes, 2, 1e-12);
  EXPECT_NEAR(two.score, 0.5, 1e-12);
  // Only the largest count.
  EXPECT_EQ(polysemanticity(std::vector<float>{9, 1, 1, 8, 1, 1}, labels, 3, 2).score, 0);
  EXPECT_EQ(polysemanticity(std::vector<float>(6, -1.0f), labels, 3).effective_classes, 0);
}

TEST(WeightAttribution, AgreesWithTryingEachWeight) {
  const Model net = small_classifier();
  const Dataset data = samples();
  // The liveliest unit: of one that never fires all slopes are 0.
  std::int64_t liveliest = 0;
  double most_firing = 0;
  for (std::int64_t u = 0; u < 4; ++u) {
    const double firing =
        responses(net.layer("conv2").neuron(u), data, backend("reference")).firing;
    if (firing > most_firing) most_firing = firing, liveliest = u;
  }
  const NeuronView unit = net.layer("conv2").neuron(liveliest);
  const auto found = attribute_weights(unit, data, backend("reference"), {.samples = 20});
  ASSERT_EQ(found.weights.size(), 12u);
  EXPECT_EQ(found.samples, 20);
  // The ablation by hand, on a model of its own.
  Model other = small_classifier();
  std::vector<float> p(20 * 3), x(20 * 36);
  std::vector<std::int64_t> rows(20);
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  data.gather_inputs(rows, x.data());
  std::vector<std::int32_t> labels(20);
  data.gather_labels(rows, labels.data());
  const auto loss = [&] {
    Predictor(other, backend("reference"), {.max_batch = 20, .concurrency = 1}).run(x, p);
    double sum = 0;
    for (std::size_t i = 0; i < 20; ++i) {
      sum -= std::log(double{p[i * 3 + static_cast<std::size_t>(labels[i])]});
    }
    return sum / 20;
  };
  EXPECT_NEAR(found.loss, loss(), 1e-5);
  auto weight = other.parameter("conv2.weight")
                    .value.as<float>()
                    .subspan(static_cast<std::size_t>(liveliest) * 12, 12);
  double most = 0;
  for (std::size_t k = 0; k < 12; ++k) {
    const float before = std::exchange(weight[found.weights[k]], 0.0f);
    EXPECT_NEAR(found.ablated[k], loss() - found.loss, 1e-5);
    most = std::max(most, std::abs(found.ablated[k]));
    // A little of the way is, times as many, the attribution.
    weight[found.weights[k]] = before * 0.98f;
    EXPECT_NEAR(found.attributed[k], (loss() - found.loss) * 50, 2e-3);
    weight[found.weights[k]] = before;
  }
  EXPECT_GT(most, 1e-3);
  EXPECT_GT(found.agreement, 0.7);
  const auto few =
      attribute_weights(unit, data, backend("reference"), {.samples = 20, .weights = 5});
  EXPECT_EQ(few.weights.size(), 5u);
  EXPECT_THROW(attribute_weights(net.layer("pool").neuron(0), data, backend("reference")),
               ShapeError);
}

/// Two classes as a loss on numbers takes them, from samples that come as images.
class TwoClasses : public testing::TestWithParam<Loss::Kind> {};

TEST_P(TwoClasses, AreTheNumbersOfTheLoss) {
  const bool hinge = GetParam() == Loss::Kind::hinge;
  Model net({36}, "rows");
  net.add(Dense{.units = 4, .activation = "relu"}, "hidden").add(Dense{.units = 1}, "out");
  net.set_loss(GetParam());
  draw_parameters(net);
  Tensor inputs({kSamples, 6, 6, 1});
  const auto x = drawn(kSamples * 36, "samples");
  std::ranges::copy(x, inputs.as<float>().begin());
  std::vector<std::int32_t> labels;
  for (std::int32_t i = 0; i < kSamples; ++i) labels.push_back(i % 3 == 0);
  const Dataset data("drawn", std::move(inputs), labels, {"no", "yes"});
  const auto found = attribute_weights(net.layer("hidden").neuron(2), data, backend("reference"),
                                       {.samples = kSamples});
  const auto outputs = net.layer("out").neuron(0).respond(std::span<const float>(x)).activations;
  double loss = 0;
  for (std::size_t i = 0; i < kSamples; ++i) {
    const double z = outputs[i];
    loss += hinge ? std::max(0.0, 1 - (labels[i] == 1 ? z : -z))
                  : std::log1p(std::exp(labels[i] == 1 ? -z : z));
  }
  EXPECT_NEAR(found.loss, loss / kSamples, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Losses, TwoClasses,
                         testing::Values(Loss::Kind::hinge,
                                         Loss::Kind::binary_cross_entropy_with_logits),
                         [](const auto& info) {
                           return info.param == Loss::Kind::hinge ? "hinge" : "cross_entropy";
                         });

TEST(RankCorrelation, LooksAtTheOrderAlone) {
  const std::vector<double> a{1, 2, 3, 4}, grows{-5, 0, 1, 100}, falls{4, 3, 2, 1},
      same{1, 1, 1, 1};
  EXPECT_DOUBLE_EQ(rank_correlation(a, grows), 1);
  EXPECT_DOUBLE_EQ(rank_correlation(a, falls), -1);
  EXPECT_EQ(rank_correlation(a, same), 0);
  const std::vector<double> tied{1, 1, 2, 3};
  EXPECT_NEAR(rank_correlation(a, tied), 4.5 / std::sqrt(5 * 4.5), 1e-12);
  EXPECT_THROW(rank_correlation(a, std::vector<double>{1}), ShapeError);
}

// What comes in, by setting each channel to zero: the weighted sum is linear in it.
TEST(Influence, OfWhatComesInIsWhatSilenceTakesAway) {
  const Model net = small_classifier();
  const Dataset data = samples();
  for (const char* layer : {"conv2", "out"}) {
    const NeuronView unit = net.layer(layer).neuron(1);
    const auto found = incoming_influence(unit, data, backend("reference"), {.batch = 16});
    const bool conv = std::string(layer) == "conv2";
    EXPECT_EQ(found.layer, conv ? "pool" : "conv2");
    ASSERT_EQ(found.magnitude.size(), conv ? 3u : 4u);
    const auto before = responses(unit, data, backend("reference"));
    const auto x = drawn(kSamples * 36, "samples");
    const TensorView view = x;
    for (std::size_t c = 0; c < found.magnitude.size(); ++c) {
      LayerProbe cut(net, layer, backend("reference"), {.batch = kSamples, .layers = {}});
      cut.on_forward(found.layer, [&](const HookedTensor& tensor) {
        for (std::size_t e = c; e < tensor.values.size(); e += found.magnitude.size()) {
          tensor.values[e] = 0;
        }
      });
      const auto sums = cut.run({&view, 1}).sums;
      const auto each = static_cast<std::size_t>(cut.shape().elements());
      const auto width = static_cast<std::size_t>(net.layer(layer).neurons());
      double magnitude = 0, effect = 0;
      for (std::size_t i = 0; i < kSamples; ++i) {
        const auto at = i * each + static_cast<std::size_t>(before.positions[i]) * width + 1;
        magnitude += std::abs(before.sums[i] - sums[at]) / kSamples;
        effect += (before.sums[i] - sums[at]) / kSamples;
      }
      EXPECT_NEAR(found.magnitude[c], magnitude, 1e-5) << layer << " channel " << c;
      EXPECT_NEAR(found.effect[c], effect, 1e-5) << layer << " channel " << c;
    }
  }
}

TEST(Influence, OnWhatFollowsIsWhatSilenceChanges) {
  Model net = small_classifier();
  const Dataset data = samples();
  const auto found =
      outgoing_influence(net.layer("conv1").neuron(2), data, backend("reference"), {.batch = 16});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].layer, "conv2");
  EXPECT_EQ(found[1].layer, "out");
  // A filter of zeros gives zeros.
  const auto x = drawn(kSamples * 36, "samples");
  std::vector<float> with(kSamples * 3), without(kSamples * 3);
  const PredictorOptions options{.max_batch = kSamples, .probabilities = false, .concurrency = 1};
  Predictor(net, backend("reference"), options).run(x, with);
  auto weight = net.parameter("conv1.weight").value.as<float>();
  std::ranges::fill(weight.subspan(18, 9), 0.0f);
  net.parameter("conv1.bias").value.as<float>()[2] = 0;
  Predictor(net, backend("reference"), options).run(x, without);
  for (std::size_t u = 0; u < 3; ++u) {
    double effect = 0, magnitude = 0;
    for (std::size_t i = u; i < with.size(); i += 3) {
      effect += (with[i] - without[i]) / kSamples;
      magnitude += std::abs(with[i] - without[i]) / kSamples;
    }
    EXPECT_NEAR(found[1].effect[u], effect, 1e-5);
    EXPECT_NEAR(found[1].magnitude[u], magnitude, 1e-5);
    EXPECT_GT(magnitude, 1e-3);
  }
}

}  // namespace
}  // namespace soma
