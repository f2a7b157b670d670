// Receptive fields against brute force: every element of the input is changed, one at a time.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "drawn.hpp"
#include "soma/neuron.hpp"

namespace soma {
namespace {

struct FieldCase {
  const char* name;
  Shape input;
  std::function<void(Model&)> build;  // its last layer is looked at
  std::vector<std::int64_t> position;
  std::int64_t unit = 0;
};
void PrintTo(const FieldCase& c, std::ostream* out) { *out << c.name; }

const FieldCase kCases[] = {
    {"conv", {7, 6, 2}, [](Model& m) { m.add(Conv2d{.filters = 3, .kernel = 3}); }, {2, 1}, 1},
    {"conv_same_stride_2",
     {8, 7, 1},
     [](Model& m) {
       m.add(Conv2d{.filters = 2, .kernel = 3, .stride = 2, .padding = Padding::same});
     },
     {3, 0}},
    {"conv_dilated",
     {9, 9, 1},
     [](Model& m) { m.add(Conv2d{.filters = 2, .kernel = 3, .dilation = 3}); },
     {1, 2}},
    {"conv_dilated_same_over_the_edge",
     {6, 6, 1},
     [](Model& m) {
       m.add(Conv2d{.filters = 1, .kernel = 3, .padding = Padding::same, .dilation = 2});
     },
     {0, 5}},
    {"conv_uneven_window_and_padding",
     {6, 8, 1},
     [](Model& m) {
       m.add(Conv2d{.filters = 2,
                    .kernel_h = 2,
                    .kernel_w = 5,
                    .stride_h = 1,
                    .stride_w = 3,
                    .pad_top = 1,
                    .pad_left = 2});
     },
     {0, 0}},
    {"grouped_conv",
     {5, 5, 4},
     [](Model& m) { m.add(Conv2d{.filters = 6, .kernel = 3, .groups = 2}); },
     {1, 1},
     4},
    {"depthwise_behind_conv",
     {6, 6, 2},
     [](Model& m) {
       m.add(Conv2d{.filters = 4, .kernel = 1, .groups = 2, .activation = "tanh"});
       m.add(Conv2d{.filters = 4, .kernel = 3, .groups = 4});
     },
     {2, 2},
     1},
    {"max_pool_overlapping",
     {7, 7, 2},
     [](Model& m) { m.add(MaxPool2d{.size = 3, .stride = 2}); },
     {1, 2},
     1},
    {"avg_pool_ceil",
     {5, 5, 1},
     [](Model& m) { m.add(AvgPool2d{.size = 2, .ceil = true}); },
     {2, 2}},
    {"three_deep",
     {12, 12, 1},
     [](Model& m) {
       m.add(Conv2d{.filters = 2, .kernel = 3, .padding = Padding::same, .activation = "tanh"});
       m.add(AvgPool2d{.size = 2}).add(BatchNorm{});
       m.add(Conv2d{.filters = 3, .kernel = 3, .activation = "tanh"});
       m.add(MaxPool2d{.size = 2});
     },
     {0, 1},
     2},
    {"transposed_conv",
     {4, 4, 2},
     [](Model& m) { m.add(ConvTranspose2d{.filters = 2, .kernel = 3, .stride = 2}); },
     {4, 3},
     1},
    {"bilinear",
     {4, 3, 2},
     [](Model& m) { m.add(Upsample2d{.scale = 3, .mode = "bilinear"}); },
     {4, 4},
     1},
    {"dense_sees_all",
     {4, 4, 2},
     [](Model& m) { m.add(MaxPool2d{.size = 2}).add(Flatten{}).add(Dense{.units = 3}); },
     {}},
    {"residual",
     {6, 6, 2},
     [](Model& m) {
       m.add(Conv2d{.filters = 2, .kernel = 3, .padding = Padding::same}, "conv");
       m.add(Add{}, "sum", {"conv", "input"});
     },
     {3, 3},
     1},
    {"causal_dilated_conv1d",
     {9, 2},
     [](Model& m) { m.add(Conv1d{.filters = 2, .kernel = 3, .causal = true, .dilation = 2}); },
     {5}},
    {"rnn_step", {6, 2}, [](Model& m) { m.add(Rnn{.units = 3}); }, {3}, 1},
    {"lstm_last", {5, 2}, [](Model& m) { m.add(Lstm{.units = 2, .return_sequences = false}); }, {}},
    {"gru_from_the_end",
     {5, 2},
     [](Model& m) { m.add(Gru{.units = 2, .bidirectional = true}); },
     {2},
     3},
    {"causal_attention",
     {5, 4},
     [](Model& m) { m.add(MultiHeadAttention{.heads = 2, .causal = true}); },
     {2},
     3},
    {"permuted_and_padded",
     {3, 4, 2},
     [](Model& m) { m.add(Permute{.order = "2,1,3"}).add(Pad{.padding = "1:0,0:2"}); },
     {3, 1},
     1},
    {"channels_of_two_layers",
     {4, 4, 2},
     [](Model& m) {
       m.add(Conv2d{.filters = 2, .kernel = 2}, "a");
       m.add(Conv2d{.filters = 1, .kernel = 2, .dilation = 1}, "b", {"input"});
       m.add(Concat{}, "both", {"a", "b"}).add(Mean{.axis = 1});
     },
     {1},
     2},
    {"group_norm", {3, 3, 4}, [](Model& m) { m.add(GroupNorm{.groups = 2}); }, {1, 1}, 3},
    {"layer_norm", {3, 4}, [](Model& m) { m.add(LayerNorm{}); }, {1}, 2},
};

Model built(const FieldCase& c) {
  Model net(c.input, c.name);
  c.build(net);
  draw_parameters(net);
  return net;
}

NeuronView unit_of(const Model& net, const FieldCase& c) {
  return net.layer(net.layers().back().name).neuron(c.unit);
}

class Fields : public testing::TestWithParam<FieldCase> {};

/// By element: whether any of several values in its place changes the unit.
std::vector<std::uint8_t> changers(const Model& net, const NeuronView& unit,
                                   std::int64_t position) {
  const auto size = static_cast<std::size_t>(net.input_shape().elements());
  LayerProbe probe(net, unit.layer(), backend("reference"),
                   {.batch = static_cast<std::int64_t>(size), .layers = {}});
  const auto each = static_cast<std::size_t>(probe.shape().elements());
  const auto goal =
      static_cast<std::size_t>(position * net.layer(unit.layer()).neurons() + unit.index());
  std::vector<std::uint8_t> changes(size, 0);
  for (const char* sample : {"first", "second", "third", "fourth", "fifth", "sixth"}) {
    const auto x = drawn(size, sample);
    const TensorView plain = x;
    const float before = probe.run({&plain, 1}).sums[goal];
    for (const float value : {3.0f, -3.0f, 0.1f}) {
      std::vector<float> rows(size * size);
      for (std::size_t e = 0; e < size; ++e) {
        std::ranges::copy(x, rows.begin() + static_cast<std::ptrdiff_t>(e * size));
        rows[e * size + e] = value;
      }
      const TensorView view = rows;
      const auto sums = probe.run({&view, 1}).sums;
      for (std::size_t e = 0; e < size; ++e) changes[e] |= sums[e * each + goal] != before;
    }
  }
  return changes;
}

TEST_P(Fields, AreWhatChangesTheUnit) {
  const FieldCase& c = GetParam();
  const Model net = built(c);
  const NeuronView unit = unit_of(net, c);
  const std::int64_t position = unit.position(c.position);
  const ReceptiveField field = unit.receptive_field(position);
  const auto changes = changers(net, unit, position);
  EXPECT_EQ(field.reaches, changes);
  EXPECT_GT(field.count(), 0);
  // The box is the smallest.
  const Shape& shape = field.shape;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    std::int64_t low = shape[axis], high = 0;
    for (std::size_t e = 0; e < changes.size(); ++e) {
      if (changes[e] == 0) continue;
      const std::int64_t x =
          static_cast<std::int64_t>(e) / shape.elements_from(axis + 1) % shape[axis];
      low = std::min(low, x), high = std::max(high, x + 1);
    }
    EXPECT_EQ(field.begin[static_cast<std::size_t>(axis)], low) << "axis " << axis;
    EXPECT_EQ(field.end[static_cast<std::size_t>(axis)], high) << "axis " << axis;
  }
}

// By gradient: nothing outside, and without a choice among inputs (max pooling) all of it.
TEST_P(Fields, AreWhatGradientsReach) {
  const FieldCase& c = GetParam();
  const Model net = built(c);
  const NeuronView unit = unit_of(net, c);
  const std::int64_t position = unit.position(c.position);
  const ReceptiveField field = unit.receptive_field(position);
  constexpr std::int64_t kSamples = 40;
  Tensor inputs(c.input.batched(kSamples));
  std::ranges::copy(drawn(static_cast<std::size_t>(inputs.elements())), inputs.as<float>().begin());
  const Dataset data("drawn", std::move(inputs),
                     std::vector<std::int32_t>(static_cast<std::size_t>(kSamples), 0), {"one"});
  for (const std::string& name : backend_names()) {
    const MeasuredField measured =
        measured_field(unit, position, data, backend(name), {.batch = 16});
    EXPECT_EQ(measured.field.reaches, field.reaches) << name;
    EXPECT_EQ(measured.field.begin, field.begin) << name;
    EXPECT_EQ(measured.field.end, field.end) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, Fields, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(ReceptiveField, OfTokensIsMeasuredByReplacingThem) {
  Model net({8}, "text", DType::i32);
  net.add(Embedding{.vocab = 5, .units = 4}, "embed")
      .add(TransformerDecoderBlock{.heads = 2}, "block")
      .add(Conv1d{.filters = 3, .kernel = 2, .padding = Padding::valid}, "conv");
  draw_parameters(net);
  const NeuronView unit = net.layer("conv").neuron(1);
  const std::vector<std::int64_t> three{3};
  const std::int64_t position = unit.position(three);
  const ReceptiveField field = unit.receptive_field(position);
  EXPECT_EQ(field.begin[0], 0);
  EXPECT_EQ(field.end[0], 5);  // the second tap sees position 4, and what that attends to
  std::vector<std::uint8_t> text;
  for (std::uint32_t i = 0; i < 60; ++i) text.push_back(static_cast<std::uint8_t>(i * i % 5));
  const Dataset data = Dataset::windows("squares", text, 8, 3, {"0", "1", "2", "3", "4"});
  const MeasuredField measured = measured_field(unit, position, data, backend("reference"));
  EXPECT_EQ(measured.field.reaches, field.reaches);
}

}  // namespace
}  // namespace soma
