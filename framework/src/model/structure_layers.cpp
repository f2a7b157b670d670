#include "model/layer_tools.hpp"
#include "soma/layers/structure.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/arrangement.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"
#include "soma/sdk/ops/dropout.hpp"
#include "soma/sdk/ops/embedding.hpp"
#include "soma/sdk/philox.hpp"

namespace soma {
namespace {

template <class Spec>
Attributes axis_attributes(const Spec& layer) {
  Attributes a;
  a.set_unless("axis", layer.axis, Spec{}.axis);
  return a;
}

template <class Spec>
Spec axis_from(const Attributes& a) {
  Fields f(Spec::kType, a);
  Spec layer{.axis = f.count("axis", Spec{}.axis, -SOMA_MAX_RANK)};
  f.done();
  return layer;
}

template <class Spec>
ops::AxisReduction over_axis(const Spec& layer, const Value& x) {
  return {sample_axis(Spec::kType, x.shape, layer.axis)};
}

/// A layer without fields.
template <class Spec>
Spec fieldless(const Attributes& a) {
  Fields(Spec::kType, a).done();
  return {};
}

}  // namespace

Value Dropout::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  const ops::Dropout dropout{.rate = rate, .stream = stream_id(graph.path("mask"))};
  const Op op = dropout.forward(x.shape, graph.purpose());
  return graph.predicts() ? x : graph.emit_one(op, {x, graph.random()});
}

Attributes Dropout::attributes() const {
  Attributes a;
  a.set("rate", rate);
  return a;
}

Dropout Dropout::from(const Attributes& a) {
  Fields f(kType, a);
  const Dropout layer{.rate = f.real("rate", 0.5)};
  f.done();
  if (!(layer.rate >= 0 && layer.rate <= 1)) {
    throw ShapeError("dropout: rate: expected a number from 0 to 1, got " +
                     std::to_string(layer.rate));
  }
  return layer;
}

Value Embedding::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (vocab < 1 || units < 1) throw ShapeError("embedding: vocab and units must be 1 or more");
  Value ids = single(kType, inputs);
  if (graph.graph().values[static_cast<std::size_t>(ids.id)].info.dtype == DType::f32) {
    ids = graph.emit_one(ops::Cast::forward(ids.shape, graph.purpose()), {ids});
  }
  const Init drawn = init == Init::automatic ? Init::xavier_normal : init;
  const Value weight = graph.parameter("weight", {vocab, units}, drawn, units, units);
  return graph.emit_one(
      ops::Embedding{padding_idx}.forward(weight.shape, ids.shape, graph.purpose()), {weight, ids});
}

Attributes Embedding::attributes() const {
  Attributes a;
  a.set("vocab", vocab);
  a.set("units", units);
  a.set_unless("padding_idx", padding_idx, std::int64_t{-1});
  write_init(a, init);
  return a;
}

Embedding Embedding::from(const Attributes& a) {
  Fields f(kType, a);
  Embedding layer{.vocab = f.count("vocab", 0)};
  layer.units = f.count("units", 0);
  layer.padding_idx = f.count("padding_idx", -1, -1);
  layer.init = f.init();
  f.done();
  return layer;
}

Value PositionalEncoding::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = sequence(kType, inputs);
  const Shape code = x.shape.from(1);
  const std::int64_t width = code.back();
  Value weight;
  if (kind == "learned") {
    weight = graph.parameter("weight", code, Init::xavier_normal, width, width);
  } else if (kind == "sinusoidal") {
    weight = graph.buffer("weight", code, Init::sinusoid);
    graph.graph().parameters.back().fan_out = width;
  } else {
    throw ShapeError("positional_encoding: kind: expected \"learned\" or \"sinusoidal\", got \"" +
                     kind + "\"");
  }
  return graph.emit_one(ops::Broadcast::add(x.shape, code, graph.purpose()), {x, weight});
}

Attributes PositionalEncoding::attributes() const {
  Attributes a;
  a.set_unless("kind", kind, std::string("sinusoidal"));
  return a;
}

PositionalEncoding PositionalEncoding::from(const Attributes& a) {
  Fields f(kType, a);
  const PositionalEncoding layer{.kind = f.text("kind", "sinusoidal")};
  f.done();
  return layer;
}

Value Concat::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (inputs.size() < 2) {
    throw ShapeError("concat: expected two inputs or more, got " + std::to_string(inputs.size()));
  }
  std::vector<Shape> shapes;
  for (const Value& x : inputs) shapes.push_back(x.shape);
  const ops::Concat concat{.axis = sample_axis(kType, shapes[0], axis)};
  return graph.emit(concat.forward(shapes, graph.purpose()), inputs)[0];
}

Attributes Concat::attributes() const { return axis_attributes(*this); }
Concat Concat::from(const Attributes& a) { return axis_from<Concat>(a); }

Value Multiply::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (inputs.size() < 2) {
    throw ShapeError("multiply: expected two inputs or more, got " + std::to_string(inputs.size()));
  }
  Value product = inputs[0];
  for (const Value& next : inputs.subspan(1)) {
    if (next.shape == product.shape) {
      product = graph.emit_one(ops::Multiply::forward(product.shape, next.shape, graph.purpose()),
                               {product, next});
      continue;
    }
    // The batch stays in front; the sample's axes move to the end.
    Shape aligned{next.shape.rank() == 0 ? 1 : next.shape[0]};
    for (int i = next.shape.rank(); i < product.shape.rank(); ++i) aligned.append(1);
    for (int i = 1; i < next.shape.rank(); ++i) aligned.append(next.shape[i]);
    const Op op = ops::Broadcast::multiply(product.shape, aligned, graph.purpose());
    product = graph.emit_one(op, {product, graph.reshape(next, aligned)});
  }
  return product;
}

Multiply Multiply::from(const Attributes& a) { return fieldless<Multiply>(a); }

Value Subtract::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (inputs.size() != 2) {
    throw ShapeError("subtract: expected two inputs, got " + std::to_string(inputs.size()));
  }
  return graph.emit_one(ops::Subtract::forward(inputs[0].shape, inputs[1].shape, graph.purpose()),
                        {inputs[0], inputs[1]});
}

Subtract Subtract::from(const Attributes& a) { return fieldless<Subtract>(a); }

Value Scale::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  return graph.emit_one(ops::Scale{factor, offset}.forward(x.shape, graph.purpose()), {x});
}

Attributes Scale::attributes() const {
  Attributes a;
  a.set_unless("factor", factor, 1.0);
  a.set_unless("offset", offset, 0.0);
  return a;
}

Scale Scale::from(const Attributes& a) {
  Fields f(kType, a);
  Scale layer{.factor = f.real("factor", 1)};
  layer.offset = f.real("offset", 0);
  f.done();
  return layer;
}

Value Reshape::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  const std::vector<std::int64_t> extents = ops::parse_numbers("reshape: shape", shape);
  std::int64_t known = 1;
  for (const std::int64_t extent : extents) known *= extent == -1 ? 1 : extent;
  const std::int64_t elements = x.shape.elements_from(1);
  Shape result{x.shape[0]};
  for (const std::int64_t extent : extents) {
    result.append(extent != -1 ? extent : known < 1 ? 0 : elements / known);
  }
  if (result.elements_from(1) != elements) {
    throw ShapeError("reshape: shape: " + x.shape.from(1).str() +
                     " does not have as many elements as \"" + shape + "\"");
  }
  return graph.reshape(x, result);
}

Attributes Reshape::attributes() const {
  Attributes a;
  a.set("shape", shape);
  return a;
}

Reshape Reshape::from(const Attributes& a) {
  Fields f(kType, a);
  Reshape layer{.shape = f.text("shape", "-1")};
  f.done();
  return layer;
}

Value Permute::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  ops::Permute permute{{0}};
  for (const std::int64_t axis : ops::parse_numbers("permute: order", order)) {
    permute.order.push_back(static_cast<int>(axis));
  }
  return graph.emit_one(permute.forward(x.shape, graph.purpose()), {x});
}

Attributes Permute::attributes() const {
  Attributes a;
  a.set("order", order);
  return a;
}

Permute Permute::from(const Attributes& a) {
  Fields f(kType, a);
  Permute layer{.order = f.text("order", "2,1")};
  f.done();
  return layer;
}

Value Pad::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  ops::Pad pad = ops::Pad::parse("0:0," + padding);
  while (static_cast<int>(pad.padding.size()) < x.shape.rank()) pad.padding.push_back({0, 0});
  pad.value = value;
  return graph.emit_one(pad.forward(x.shape, graph.purpose()), {x});
}

Attributes Pad::attributes() const {
  Attributes a;
  a.set("padding", padding);
  a.set_unless("value", value, 0.0);
  return a;
}

Pad Pad::from(const Attributes& a) {
  Fields f(kType, a);
  Pad layer{.padding = f.text("padding", "1:1,1:1")};
  layer.value = f.real("value", 0);
  f.done();
  return layer;
}

Value Sum::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  return graph.emit_one(over_axis(*this, x).sum(x.shape, graph.purpose()), {x});
}

Attributes Sum::attributes() const { return axis_attributes(*this); }
Sum Sum::from(const Attributes& a) { return axis_from<Sum>(a); }

Value Mean::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  return graph.emit_one(over_axis(*this, x).mean(x.shape, graph.purpose()), {x});
}

Attributes Mean::attributes() const { return axis_attributes(*this); }
Mean Mean::from(const Attributes& a) { return axis_from<Mean>(a); }

Value Max::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = single(kType, inputs);
  return graph.emit_one(over_axis(*this, x).max(x.shape, graph.purpose()), {x});
}

Attributes Max::attributes() const { return axis_attributes(*this); }
Max Max::from(const Attributes& a) { return axis_from<Max>(a); }

std::span<const LayerType> structure_layers() {
  static constexpr LayerType kTypes[] = {
      layer_type<Dropout>(), layer_type<Embedding>(), layer_type<PositionalEncoding>(),
      layer_type<Concat>(),  layer_type<Multiply>(),  layer_type<Subtract>(),
      layer_type<Scale>(),   layer_type<Reshape>(),   layer_type<Permute>(),
      layer_type<Pad>(),     layer_type<Sum>(),       layer_type<Mean>(),
      layer_type<Max>()};
  return kTypes;
}

}  // namespace soma
