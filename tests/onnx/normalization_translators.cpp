#include <cmath>

#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/group_norm.hpp"
#include "soma/sdk/ops/layer_norm.hpp"
#include "translation.hpp"

namespace soma::onnx_tests {
namespace {

/// ONNX's momentum is the share of the old statistics, and its running variance takes the biased
/// variance of the batch; Soma's takes the unbiased one, so the running variance is not compared.
std::vector<Tensor> batch_norm(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  const bool training = node.integer("training_mode", 0) != 0;
  const Tensor last = x.channels_last();
  const ops::BatchNorm op{.epsilon = node.real("epsilon", 1e-5f),
                          .momentum = 1.0 - node.real("momentum", 0.9f)};
  const auto y = machine.run(op.forward(shape_of(last), training ? Purpose::train : Purpose::infer),
                             {last, node.in(1), node.in(2), node.in(3), node.in(4)});
  if (training) return {y[0].channels_first(), y[3]};
  return {y[0].channels_first()};
}

/// Groups of one channel.
std::vector<Tensor> instance_norm(const Machine& machine, const Node& node) {
  const Tensor last = node.in(0).channels_last();
  const ops::GroupNorm op{.groups = last.dims.back(), .epsilon = node.real("epsilon", 1e-5f)};
  return {machine(op.forward(shape_of(last), Purpose::infer), {last, node.in(1), node.in(2)})
              .channels_first()};
}

/// Over all axes from `axis` on, seen as one; the mean and the inverse deviation follow.
std::vector<Tensor> layer_norm(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  const auto axis = static_cast<std::ptrdiff_t>(x.axis(node.integer("axis", -1)));
  const Dims rows(x.dims.begin(), x.dims.begin() + axis);
  const std::int64_t columns = count(Dims(x.dims.begin() + axis, x.dims.end()));
  const Tensor flat = x.reshaped({count(rows), columns});
  ops::RowNorm op;
  op.shift = node.has(2);
  op.epsilon = node.real("epsilon", 1e-5f);
  std::vector<Tensor> inputs{flat, node.in(1).reshaped({columns})};
  if (op.shift) inputs.push_back(node.in(2).reshaped({columns}));
  const auto y = machine.run(op.forward(shape_of(flat), Purpose::train), inputs);
  Dims statistics = x.dims;
  std::fill(statistics.begin() + axis, statistics.end(), 1);
  return {y[0].reshaped(x.dims), y[1].reshaped(statistics), y[2].reshaped(statistics)};
}

}  // namespace

std::span<const Translator> normalization_translators() {
  static constexpr Translator kAll[] = {{"BatchNormalization", &batch_norm},
                                        {"InstanceNormalization", &instance_norm},
                                        {"LayerNormalization", &layer_norm}};
  return kAll;
}

}  // namespace soma::onnx_tests
