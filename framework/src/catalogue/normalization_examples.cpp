#include "catalogue/catalogue.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/group_norm.hpp"
#include "soma/sdk/ops/layer_norm.hpp"

namespace soma {

std::vector<Op> normalization_examples() {
  constexpr Purpose kTrain = Purpose::train;
  // ResNet-20 on CIFAR-10: the maps of the first stage; a transformer: rows of features.
  const Shape maps{32, 32, 32, 16}, rows{4096, 768};
  const ops::BatchNorm batch;
  const ops::GroupNorm group{.groups = 4};
  const ops::RowNorm layer, rms{.centred = false, .shift = false};
  return {batch.forward(maps, kTrain), batch.backward(maps),        group.forward(maps, kTrain),
          group.backward(maps),        layer.forward(rows, kTrain), layer.backward(rows),
          rms.forward(rows, kTrain),   rms.backward(rows)};
}

}  // namespace soma
