// The weights between a unit and its neighbours, against what the network computes with them.
#include <gtest/gtest.h>

#include "drawn.hpp"
#include "soma/error.hpp"
#include "soma/neuron.hpp"

namespace soma {
namespace {

Model classifier() {
  Model net({6, 6, 2}, "classifier");
  net.add(Conv2d{.filters = 4, .kernel = 3, .activation = "relu"}, "conv1");
  net.add(MaxPool2d{.size = 2}, "pool");
  net.add(Conv2d{.filters = 6, .kernel = 1, .groups = 2, .activation = "tanh"}, "conv2");
  net.add(Flatten{}, "flat");
  net.add(Dense{.units = 3}, "fc");
  draw_parameters(net);
  return net;
}

TEST(NeuronWeights, HaveTheShapeOfWhatTheyWeigh) {
  const Model net = classifier();
  const auto conv = net.layer("conv2").neuron(4).incoming();
  ASSERT_EQ(conv.size(), 1u);
  EXPECT_EQ(conv[0].shape, (Shape{1, 1, 2}));
  EXPECT_EQ(conv[0].layer, "pool");
  EXPECT_EQ(conv[0].parameter, "conv2.weight");
  const auto dense = net.layer("fc").neuron(2).incoming();
  ASSERT_EQ(dense.size(), 1u);
  EXPECT_EQ(dense[0].shape, (Shape{2, 2, 6}));
  const auto weights = net.layer("fc").neuron(2).weights();
  EXPECT_EQ(dense[0].values, std::vector<float>(weights.begin(), weights.end()));
  for (const NeuronWeights& list : {conv[0], dense[0]}) {
    for (const Parameter& p : net.parameters()) {
      if (p.name != list.parameter) continue;
      for (std::size_t i = 0; i < list.values.size(); ++i) {
        EXPECT_EQ(list.values[i], p.value.as<float>()[static_cast<std::size_t>(list.elements[i])]);
      }
    }
  }
  EXPECT_TRUE(net.layer("pool").neuron(0).incoming().empty());
}

/// How the sums of `layer` move when one element of what `from` gives is one larger: by gradient of
/// each sum, which is exact for a weighted sum.
std::vector<float> slopes(const Model& net, const std::string& from, const std::string& layer,
                          std::size_t element) {
  LayerProbe probe(net, layer, backend("reference"), {.layers = {from}});
  const auto x = drawn(static_cast<std::size_t>(net.input_shape().elements()));
  const TensorView view = x;
  const auto width = static_cast<std::size_t>(probe.shape().elements());
  std::vector<float> list;
  for (std::size_t k = 0; k < width; ++k) {
    std::vector<float> direction(width, 0.0f);
    direction[k] = 1;
    list.push_back(probe.gradient({&view, 1}, direction).layers[0].gradient[element]);
  }
  return list;
}

TEST(NeuronWeights, GoOutToTheNextWeightedSums) {
  const Model net = classifier();
  // Through pooling to the filters of its group: units 2 and 3 of conv1 feed filters 3 to 5.
  const auto filters = net.layer("conv1").neuron(3).outgoing();
  ASSERT_EQ(filters.size(), 1u);
  EXPECT_EQ(filters[0].layer, "conv2");
  EXPECT_EQ(filters[0].shape, (Shape{3, 1, 1}));
  const auto at_pool = slopes(net, "pool", "conv2", 3);  // position 0, channel 3
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(at_pool[k], 0);
    EXPECT_EQ(at_pool[3 + k], filters[0].values[k]);
  }
  // Through flattening to a weight for each unit and position.
  const auto units = net.layer("conv2").neuron(5).outgoing();
  ASSERT_EQ(units.size(), 1u);
  EXPECT_EQ(units[0].layer, "fc");
  EXPECT_EQ(units[0].shape, (Shape{3, 2, 2}));
  for (std::size_t position = 0; position < 4; ++position) {
    const auto moved = slopes(net, "conv2", "fc", position * 6 + 5);
    for (std::size_t u = 0; u < 3; ++u) {
      EXPECT_FLOAT_EQ(moved[u], units[0].values[u * 4 + position]);
    }
  }
  EXPECT_TRUE(net.layer("fc").neuron(0).outgoing().empty());
}

TEST(NeuronWeights, OfARecurrentUnitAreARowForEachGate) {
  Model net({4, 3}, "sequence");
  net.add(Lstm{.units = 2, .bidirectional = true}, "lstm");
  net.add(Dense{.units = 5, .last_axis = true}, "out");
  draw_parameters(net);
  const auto rows = net.layer("lstm").neuron(3).incoming();  // unit 1, from the end
  ASSERT_EQ(rows.size(), 8u);
  for (std::size_t gate = 0; gate < 4; ++gate) {
    EXPECT_EQ(rows[gate].parameter, "lstm.l0_reverse.w");
    EXPECT_EQ(rows[gate].layer, "input");
    EXPECT_EQ(rows[gate].shape, Shape{3});
    EXPECT_EQ(rows[gate].elements[0], static_cast<std::int64_t>(gate * 2 + 1) * 3);
    EXPECT_EQ(rows[4 + gate].parameter, "lstm.l0_reverse.u");
    EXPECT_EQ(rows[4 + gate].shape, Shape{2});
  }
  const auto out = net.layer("lstm").neuron(3).outgoing();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].shape, Shape{5});
  EXPECT_EQ(out[0].values[2], net.layer("out").neuron(2).weights()[3]);
  EXPECT_THROW(net.layer("lstm").neuron(0).weights(), ShapeError);
}

}  // namespace
}  // namespace soma
