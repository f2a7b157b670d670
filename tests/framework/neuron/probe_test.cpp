// Layers run forward and back, as in prediction.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "drawn.hpp"
#include "soma/error.hpp"
#include "soma/neuron.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

/// Layers of every kind that acts otherwise in training, and several that save something for it.
Model many_layers() {
  Model net({6, 6, 2}, "many");
  net.add(Conv2d{.filters = 4, .kernel = 3, .padding = Padding::same, .activation = "relu"}, "conv")
      .add(BatchNorm{}, "norm")
      .add(Dropout{.rate = 0.5}, "drop")
      .add(MaxPool2d{.size = 2}, "pool")
      .add(GaussianNoise{.deviation = 1}, "noise")
      .add(Dense{.units = 5, .activation = "tanh"}, "fc")
      .add(LayerNorm{}, "layer_norm")
      .add(Dense{.units = 3}, "out");
  draw_parameters(net, 0.4f);
  return net;
}

Model many_steps() {
  Model net({5, 3}, "steps");
  net.add(Lstm{.units = 4, .layers = 2, .dropout = 0.5}, "lstm")
      .add(TransformerEncoderBlock{.heads = 2, .dropout = 0.5}, "block")
      .add(Gru{.units = 3, .return_sequences = false}, "gru")
      .add(Dense{.units = 2}, "out");
  draw_parameters(net, 0.8f);
  return net;
}

class Probes : public testing::TestWithParam<std::string> {
 protected:
  Backend opened() const { return backend(GetParam()); }
};

TEST_P(Probes, SayWhatAPredictorSays) {
  for (const bool steps : {false, true}) {
    const Model net = steps ? many_steps() : many_layers();
    const auto x = drawn(3 * static_cast<std::size_t>(net.input_shape().elements()));
    const Backend exact = backend(GetParam(), {.numerics = Numerics::exact});
    LayerProbe probe(net, "out", exact, {.batch = 4, .layers = {}});
    const TensorView view = x;
    const auto values = probe.run({&view, 1});
    std::vector<float> expected(values.outputs.size());
    Predictor(net, exact, {.max_batch = 3, .probabilities = false, .concurrency = 1})
        .run(x, expected);
    EXPECT_EQ(std::vector<float>(values.outputs.begin(), values.outputs.end()), expected);
  }
}

// The slope between inputs that are near, against the gradient. Where the slopes to both sides
// differ there is a kink of relu or of max pooling in between.
TEST_P(Probes, GiveTheGradientOfTheInput) {
  for (const bool steps : {false, true}) {
    const Model net = steps ? many_steps() : many_layers();
    const auto size = static_cast<std::size_t>(net.input_shape().elements());
    const auto x = drawn(2 * size);
    LayerProbe probe(net, "out", opened(), {.batch = 2, .layers = {}});
    const auto width = static_cast<std::size_t>(probe.shape().elements());
    const auto direction = drawn(2 * width, "direction");
    const TensorView view = x;
    const auto span = probe.gradient({&view, 1}, direction).inputs[0];
    const std::vector<float> gradient(span.begin(), span.end());
    double most = 0;
    for (const float g : gradient) most = std::max(most, std::abs(double{g}));
    ASSERT_GT(most, 0.003);
    const auto objective = [&](const std::vector<float>& at, std::size_t row) {
      const TensorView moved = at;
      const auto sums = probe.run({&moved, 1}).sums;
      double sum = 0;
      for (std::size_t k = row * width; k < (row + 1) * width; ++k) {
        sum += double{direction[k]} * sums[k];
      }
      return sum;
    };
    int kinks = 0, compared = 0;
    for (std::size_t e = 0; e < 2 * size; e += 3) {
      auto up = x, down = x;
      const float by = steps ? 2e-2f : 1e-3f;  // the second has no kinks, but small slopes
      up[e] += by, down[e] -= by;
      const double here = objective(x, e / size);
      const double right = (objective(up, e / size) - here) / (double{up[e]} - x[e]);
      const double left = (here - objective(down, e / size)) / (double{x[e]} - down[e]);
      if (std::abs(right - left) > 0.03 * most) {
        ++kinks;
        continue;
      }
      EXPECT_NEAR(gradient[e], (left + right) / 2, 0.02 * most) << net.name() << " element " << e;
      ++compared;
    }
    EXPECT_GT(compared, 5 * kinks);
  }
}

TEST_P(Probes, GiveTheGradientOfEarlierLayers) {
  const Model net = many_layers();
  const auto x = drawn(72);
  LayerProbe probe(net, "out", opened(), {.batch = 1, .layers = {"layer_norm", "fc"}});
  const TensorView view = x;
  std::vector<float> direction{0, 1, 0};
  const auto gradient = probe.gradient({&view, 1}, direction);
  ASSERT_EQ(gradient.layers.size(), 2u);
  const auto weights = net.layer("out").neuron(1).weights();
  double sum = net.layer("out").neuron(1).bias();
  for (std::size_t k = 0; k < 5; ++k) {
    EXPECT_FLOAT_EQ(gradient.layers[0].gradient[k], weights[k]);
    sum += double{weights[k]} * gradient.layers[0].outputs[k];
  }
  EXPECT_NEAR(gradient.values.sums[1], sum, 1e-5);
  EXPECT_EQ(gradient.layers[1].outputs.size(), 5u);
}

TEST_P(Probes, TellTheLossOfAnyWeights) {
  const Model net = many_layers();
  const auto x = drawn(4 * 72);
  const std::array<std::int32_t, 4> labels{0, 2, 1, 2};
  LossProbe probe(net, opened(), 4);
  const TensorView in = x, target = std::span<const std::int32_t>(labels);
  probe.set({&in, 1}, {&target, 1});
  const double loss = probe.loss();
  std::vector<float> p(12);
  Predictor(net, opened(), {.max_batch = 4, .concurrency = 1}).run(x, p);
  double expected = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    expected -= std::log(p[i * 3 + static_cast<std::size_t>(labels[i])]) / 4;
  }
  EXPECT_NEAR(loss, expected, 1e-5);
  for (const char* name : {"conv.weight", "fc.weight", "out.bias"}) {
    const auto span = probe.gradient(name);
    const std::vector<float> gradient(span.begin(), span.end());
    double most = 0;
    for (const float g : gradient) most = std::max(most, std::abs(double{g}));
    for (std::int64_t e = 0; e < std::ssize(gradient); e += 7) {
      const float w = probe.exchange(name, e, 0);
      const auto slope_at = [&](float by) {
        probe.exchange(name, e, w + by);
        return probe.loss();
      };
      const double slope = (slope_at(4e-3f) - slope_at(-4e-3f)) / 8e-3;
      EXPECT_NEAR(gradient[static_cast<std::size_t>(e)], slope, 0.03 * most) << name << " " << e;
      probe.exchange(name, e, w);
    }
  }
  EXPECT_EQ(probe.loss(), loss);
}

INSTANTIATE_TEST_SUITE_P(Backends, Probes, testing::ValuesIn(backend_names()),
                         [](const auto& info) { return info.param; });

TEST(ProbeErrors, NameWhatThereIs) {
  const Model net = many_layers();
  const Backend reference = backend("reference");
  EXPECT_THROW(LayerProbe(net, "fc9", reference), ShapeError);
  EXPECT_THROW(LayerProbe(net, "fc", reference, {.layers = {"out"}}), ShapeError);
  LayerProbe probe(net, "fc", reference);
  const auto two = drawn(144), one = drawn(72);
  const TensorView many = two, single = one;
  EXPECT_THROW(probe.run({&many, 1}), ShapeError);
  EXPECT_THROW(probe.gradient({&single, 1}, one), ShapeError);
  EXPECT_THROW(LossProbe(net, reference, 1).loss(), StateError);
  LossProbe loss(net, reference, 1);
  EXPECT_THROW(loss.exchange("fc9.weight", 0, 0), ShapeError);
  EXPECT_THROW(loss.set({&many, 1}, {}), ShapeError);
  Model empty({4}, "empty");
  empty.add(Dense{.units = 1}, "fc");
  EXPECT_THROW(LayerProbe(empty, "fc", reference), StateError);
}

}  // namespace
}  // namespace soma
