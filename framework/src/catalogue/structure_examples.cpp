#include "catalogue/catalogue.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/arrangement.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"
#include "soma/sdk/ops/dropout.hpp"
#include "soma/sdk/ops/embedding.hpp"
#include "soma/sdk/ops/gaussian_sample.hpp"
#include "soma/sdk/ops/upsample2d.hpp"

namespace soma {

std::vector<Op> structure_examples() {
  constexpr Purpose kTrain = Purpose::train;
  // Feature maps of a small ResNet; tokens of a small transformer.
  const Shape maps{64, 14, 14, 256}, excitation{64, 1, 1, 256}, small_maps{64, 7, 7, 256};
  const Shape tokens{32, 128}, hidden{32, 128, 512}, table{32000, 512}, heads{32, 128, 8, 64};
  const Shape channels{256};
  const Shape branches[] = {maps, maps};

  const ops::Scale scale{.factor = 0.125};
  const ops::AxisReduction over_time{.axis = 1};
  const ops::Concat concat{.axis = 3};
  const ops::Slice slice{.axis = 3, .begin = 0, .end = 128};
  const ops::Permute permute{{0, 2, 1, 3}};
  const ops::Pad pad{{{0, 0}, {1, 1}, {1, 1}, {0, 0}}};
  const ops::Upsample2d upsample{.scale_h = 2, .scale_w = 2, .bilinear = true};
  const ops::Embedding embedding;
  const ops::Dropout dropout{.rate = 0.1, .stream = 1};
  const ops::GaussianSample sample{.stream = 1};

  return {ops::Multiply::forward(maps, maps, kTrain),
          ops::Subtract::forward(maps, maps, kTrain),
          scale.forward(maps, kTrain),
          ops::Broadcast::add(maps, channels, kTrain),
          ops::Broadcast::add_backward(maps, channels),
          ops::Broadcast::multiply(maps, excitation, kTrain),
          ops::Broadcast::multiply_backward(maps, excitation),
          over_time.sum(hidden, kTrain),
          over_time.sum_backward(hidden),
          over_time.mean(hidden, kTrain),
          over_time.mean_backward(hidden),
          over_time.max(hidden, kTrain),
          over_time.max_backward(hidden),
          concat.forward(branches, kTrain),
          slice.forward(maps, kTrain),
          slice.backward(maps),
          permute.forward(heads, kTrain),
          pad.forward(maps, kTrain),
          pad.backward(maps),
          upsample.forward(small_maps, kTrain),
          upsample.backward(small_maps),
          embedding.forward(table, tokens, kTrain),
          embedding.backward(table, tokens),
          ops::Cast::forward(tokens, kTrain),
          dropout.forward(hidden, kTrain),
          dropout.backward(hidden),
          sample.forward(hidden, hidden, kTrain),
          sample.backward(hidden)};
}

}  // namespace soma
