#include "model/layer_tools.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/group_norm.hpp"
#include "soma/sdk/ops/layer_norm.hpp"

namespace soma {
namespace {

constexpr double kEpsilon = 1e-5;

const Value& with_channels(std::string_view type, std::span<const Value> inputs) {
  const Value& x = single(type, inputs);
  if (x.shape.rank() < 2) {
    throw ShapeError(std::string(type) + ": expected [N,..,C], got " + x.shape.str());
  }
  return x;
}

Value gamma_of(GraphBuilder& graph, const Shape& x) {
  return graph.parameter("gamma", {x.back()}, Init::ones, 0, 0);
}
Value beta_of(GraphBuilder& graph, const Shape& x) {
  return graph.parameter("beta", {x.back()}, Init::zeros, 0, 0);
}

Value row_norm(GraphBuilder& graph, const ops::RowNorm& norm, const Value& x) {
  std::vector<Value> operands = {x};
  if (norm.scale) operands.push_back(gamma_of(graph, x.shape));
  if (norm.shift) operands.push_back(beta_of(graph, x.shape));
  return graph.emit(norm.forward(x.shape, graph.purpose()), operands)[0];
}

Value group_norm(GraphBuilder& graph, const ops::GroupNorm& norm, const Value& x) {
  const std::array operands{x, gamma_of(graph, x.shape), beta_of(graph, x.shape)};
  return graph.emit(norm.forward(x.shape, graph.purpose()), operands)[0];
}

double epsilon_of(Fields& fields) { return fields.real("epsilon", kEpsilon, 0); }

}  // namespace

Value BatchNorm::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = with_channels(kType, inputs);
  const Shape channels{x.shape.back()};
  const Value gamma = gamma_of(graph, x.shape), beta = beta_of(graph, x.shape);
  const Value mean = graph.buffer("running_mean", channels, Init::zeros);
  const Value variance = graph.buffer("running_var", channels, Init::ones);
  const ops::BatchNorm norm{.epsilon = epsilon, .momentum = momentum};
  const std::array operands{x, gamma, beta, mean, variance};
  const Purpose purpose = graph.predicts() ? Purpose::infer : Purpose::train;
  const auto outputs = graph.emit(norm.forward(x.shape, purpose), operands);
  if (!graph.predicts()) {
    graph.write_back(outputs[3], mean);
    graph.write_back(outputs[4], variance);
  }
  return outputs[0];
}

Attributes BatchNorm::attributes() const {
  Attributes a;
  a.set_unless("momentum", momentum, 0.1);
  a.set_unless("epsilon", epsilon, kEpsilon);
  return a;
}

BatchNorm BatchNorm::from(const Attributes& a) {
  Fields f(kType, a);
  BatchNorm layer;
  layer.momentum = f.real("momentum", 0.1, 0, 1);
  layer.epsilon = epsilon_of(f);
  f.done();
  return layer;
}

Value LayerNorm::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const ops::RowNorm norm{
      .centred = true, .scale = affine, .shift = affine && bias, .epsilon = epsilon};
  return row_norm(graph, norm, with_channels(kType, inputs));
}

Attributes LayerNorm::attributes() const {
  Attributes a;
  a.set_unless("affine", affine, true);
  a.set_unless("bias", bias, true);
  a.set_unless("epsilon", epsilon, kEpsilon);
  return a;
}

LayerNorm LayerNorm::from(const Attributes& a) {
  Fields f(kType, a);
  LayerNorm layer;
  layer.affine = f.flag("affine", true);
  layer.bias = f.flag("bias", true);
  layer.epsilon = epsilon_of(f);
  f.done();
  return layer;
}

Value RmsNorm::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const ops::RowNorm norm{.centred = false, .scale = affine, .shift = false, .epsilon = epsilon};
  return row_norm(graph, norm, with_channels(kType, inputs));
}

Attributes RmsNorm::attributes() const {
  Attributes a;
  a.set_unless("affine", affine, true);
  a.set_unless("epsilon", epsilon, kEpsilon);
  return a;
}

RmsNorm RmsNorm::from(const Attributes& a) {
  Fields f(kType, a);
  RmsNorm layer;
  layer.affine = f.flag("affine", true);
  layer.epsilon = epsilon_of(f);
  f.done();
  return layer;
}

Value GroupNorm::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  return group_norm(graph, {.groups = groups, .epsilon = epsilon}, with_channels(kType, inputs));
}

Attributes GroupNorm::attributes() const {
  Attributes a;
  a.set("groups", groups);
  a.set_unless("epsilon", epsilon, kEpsilon);
  return a;
}

GroupNorm GroupNorm::from(const Attributes& a) {
  Fields f(kType, a);
  GroupNorm layer{.groups = f.count("groups", 0)};
  layer.epsilon = epsilon_of(f);
  f.done();
  return layer;
}

Value InstanceNorm::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = with_channels(kType, inputs);
  return group_norm(graph, {.groups = x.shape.back(), .epsilon = epsilon}, x);
}

Attributes InstanceNorm::attributes() const {
  Attributes a;
  a.set_unless("epsilon", epsilon, kEpsilon);
  return a;
}

InstanceNorm InstanceNorm::from(const Attributes& a) {
  Fields f(kType, a);
  InstanceNorm layer{epsilon_of(f)};
  f.done();
  return layer;
}

std::span<const LayerType> normalization_layers() {
  static constexpr LayerType kTypes[] = {layer_type<BatchNorm>(), layer_type<LayerNorm>(),
                                         layer_type<RmsNorm>(), layer_type<GroupNorm>(),
                                         layer_type<InstanceNorm>()};
  return kTypes;
}

}  // namespace soma
