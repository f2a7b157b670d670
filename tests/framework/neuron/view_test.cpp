// One unit of a layer in a model.
#include <gtest/gtest.h>

#include <cmath>

#include "soma/error.hpp"
#include "soma/neuron.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"

namespace soma {
namespace {

Model small_net() {
  Model net({6, 5, 2}, "small");
  net.add(Conv2d{.filters = 4, .kernel = 3, .activation = "relu"}, "conv");
  net.add(MaxPool2d{.size = 2}, "pool");
  net.add(Dense{.units = 7, .activation = "tanh"}, "fc1");
  net.add(Activation{"relu"}, "relu");
  net.add(Dense{.units = 3, .bias = false}, "fc2");
  net.initialize(5);
  return net;
}

std::vector<float> images(std::size_t n) {
  const PhiloxStream stream(1, "images");
  std::vector<float> values(n * 60);
  for (std::uint32_t i = 0; i < values.size(); ++i) values[i] = 2 * stream.uniform(0, i) - 1;
  return values;
}

TEST(NeuronView, ShowsWhatAUnitWeighs) {
  const Model net = small_net();
  EXPECT_EQ(net.layer("fc1").neurons(), 7);
  EXPECT_EQ(net.layer("conv").neurons(), 4);
  const NeuronView unit = net.layer("fc1").neuron(3);
  const auto& weight = net.parameters()[2];
  EXPECT_EQ(weight.name, "fc1.weight");
  const auto k = static_cast<std::size_t>(weight.value.shape()[1]);
  EXPECT_EQ(unit.weights().data(), weight.value.as<float>().data() + 3 * k);
  EXPECT_EQ(unit.weights().size(), k);
  EXPECT_EQ(net.layer("conv").neuron(0).weights().size(), 18u);
  EXPECT_EQ(net.layer("fc2").neuron(0).bias(), 0);
}

TEST(NeuronView, ShowsWhatAUnitDoes) {
  Model net = small_net();
  net.parameter("fc1.bias").value.as<float>()[2] = 0.5f;
  net.parameter("conv.bias").value.as<float>()[1] = -0.25f;
  const auto x = images(4);
  const auto unit = net.layer("fc1").neuron(2).respond(x);
  EXPECT_EQ(unit.shape, Shape{4});
  const auto filter = net.layer("conv").neuron(1).respond(x);
  EXPECT_EQ(filter.shape, (Shape{4, 4, 3}));
  ASSERT_EQ(filter.activations.size(), 48u);
  int silent = 0;
  for (std::size_t i = 0; i < 48; ++i) {
    EXPECT_EQ(filter.activations[i], std::max(filter.pre_activations[i], 0.0f));
    silent += filter.pre_activations[i] < 0;
  }
  EXPECT_GT(silent, 0);
  // The same as a neuron by itself sees in what comes before.
  Model before({6, 5, 2}, "before");
  before.add(Conv2d{.filters = 4, .kernel = 3, .activation = "relu"}, "conv");
  before.add(MaxPool2d{.size = 2}, "pool").set_loss(Loss::mean_squared_error);
  before.initialize(5);
  before.parameter("conv.bias").value.as<float>()[1] = -0.25f;
  const NeuronView view = net.layer("fc1").neuron(2);
  const Neuron alone({view.weights().begin(), view.weights().end()}, view.bias(), "tanh");
  EXPECT_EQ(view.bias(), 0.5f);
  std::vector<float> seen(4 * view.weights().size());
  Predictor(before, backend("reference"), {.max_batch = 4}).run(x, seen);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto row = std::span(seen).subspan(i * view.weights().size(), view.weights().size());
    EXPECT_EQ(unit.pre_activations[i], alone.pre_activation(row));
    EXPECT_EQ(unit.activations[i], alone.forward(row));
  }
  // A layer without an activation passes its sums on, whatever the next layer does.
  const auto plain = net.layer("fc2").neuron(0).respond(x);
  EXPECT_EQ(plain.pre_activations, plain.activations);
}

TEST(NeuronView, ShowsAUnitAtEachPosition) {
  Model net({5, 4}, "sequence");
  net.add(Dense{.units = 3, .activation = "tanh", .last_axis = true}, "each");
  net.initialize(2);
  EXPECT_EQ(net.output_shape(), (Shape{5, 3}));
  const auto x = images(1);
  const auto unit = net.layer("each").neuron(1).respond(std::span(x).first(40));
  EXPECT_EQ(unit.shape, (Shape{2, 5}));
  const NeuronView view = net.layer("each").neuron(1);
  const Neuron alone({view.weights().begin(), view.weights().end()}, view.bias(), "tanh");
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(unit.activations[i], alone.forward(std::span(x).subspan(4 * i, 4)));
  }
}

TEST(NeuronViewErrors, NameWhatThereIs) {
  const Model net = small_net();
  EXPECT_THROW(net.layer("fc9"), ShapeError);
  EXPECT_EQ(net.layer("pool").neurons(), 4);
  EXPECT_FALSE(net.layer("pool").weighs());
  EXPECT_THROW(net.layer("pool").neuron(0).weights(), ShapeError);
  EXPECT_THROW(net.layer("pool").neuron(4), ShapeError);
  EXPECT_THROW(net.layer("pool").neuron(0).position(std::vector<std::int64_t>{0, 9}), ShapeError);
  EXPECT_THROW(net.layer("fc1").neuron(7), ShapeError);
  EXPECT_THROW(net.layer("fc1").neuron(-1), ShapeError);
  const auto x = images(1);
  EXPECT_THROW(net.layer("fc1").neuron(0).respond(std::span(x).first(59)), ShapeError);
  Model empty({4}, "empty");
  empty.add(Dense{.units = 1}, "fc");
  EXPECT_THROW(empty.layer("fc").neuron(0).weights(), StateError);
}

}  // namespace
}  // namespace soma
