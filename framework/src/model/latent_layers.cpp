#include "model/layer_tools.hpp"
#include "soma/layers/latent.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/gaussian_sample.hpp"
#include "soma/sdk/philox.hpp"

namespace soma {
namespace {

using Penalty = Graph::PenaltyInfo::Kind;

/// mean + deviation * eps, with the numbers of the layer's own stream.
Value sample(GraphBuilder& graph, const Value& mean, const Value& deviation) {
  const ops::GaussianSample op{.stream = stream_id(graph.path("noise"))};
  return graph.emit_one(op.forward(mean.shape, deviation.shape, graph.purpose()),
                        {mean, deviation, graph.random()});
}

}  // namespace

Value GaussianSample::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (inputs.size() != 2 || inputs[0].shape != inputs[1].shape) {
    throw ShapeError("gaussian_sample: expected two inputs of one shape, mean and log_variance" +
                     (inputs.size() != 2
                          ? ", got " + std::to_string(inputs.size())
                          : ", got " + inputs[0].shape.str() + " and " + inputs[1].shape.str()));
  }
  const Value &mean = inputs[0], &log_variance = inputs[1];
  graph.penalty(Penalty::gaussian_kl, inputs, kl);
  if (graph.predicts()) return mean;
  const ops::Scale half{.factor = 0.5};
  const Value log_deviation =
      graph.emit_one(half.forward(log_variance.shape, graph.purpose()), {log_variance});
  return sample(graph, mean, graph.activation(log_deviation, "exp"));
}

Attributes GaussianSample::attributes() const {
  Attributes a;
  a.set_unless("kl", kl, 1.0);
  return a;
}

GaussianSample GaussianSample::from(const Attributes& a) {
  Fields f(kType, a);
  const GaussianSample layer{.kl = f.real("kl", 1, 0)};
  f.done();
  return layer;
}

Value GaussianNoise::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  if (graph.predicts()) return x;
  return sample(graph, x,
                graph.leaf(Graph::Source::constant, {DType::f32, x.shape}, -1, 0,
                           static_cast<float>(deviation)));
}

Attributes GaussianNoise::attributes() const {
  Attributes a;
  a.set_unless("deviation", deviation, 0.1);
  return a;
}

GaussianNoise GaussianNoise::from(const Attributes& a) {
  Fields f(kType, a);
  const GaussianNoise layer{.deviation = f.real("deviation", 0.1, 0)};
  f.done();
  return layer;
}

Value ActivityPenalty::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  graph.penalty(Penalty::absolute, inputs, l1);
  graph.penalty(Penalty::square, inputs, l2);
  return x;
}

Attributes ActivityPenalty::attributes() const {
  Attributes a;
  a.set_unless("l1", l1, 0.0);
  a.set_unless("l2", l2, 0.0);
  return a;
}

ActivityPenalty ActivityPenalty::from(const Attributes& a) {
  Fields f(kType, a);
  ActivityPenalty layer{.l1 = f.real("l1", 0, 0)};
  layer.l2 = f.real("l2", 0, 0);
  f.done();
  return layer;
}

std::span<const LayerType> latent_layers() {
  static constexpr LayerType kTypes[] = {layer_type<GaussianSample>(), layer_type<GaussianNoise>(),
                                         layer_type<ActivityPenalty>()};
  return kTypes;
}

}  // namespace soma
