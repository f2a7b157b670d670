#include "model/attention_parts.hpp"
#include "soma/sdk/ops/attention.hpp"
#include "soma/sdk/ops/linear.hpp"

namespace soma {

Value Projection::build(GraphBuilder& graph, const Value& x) const {
  const std::int64_t width = x.shape[2];
  const Shape rows{x.shape[0] * x.shape[1], width}, weight_shape{units, width};
  const Value w = graph.parameter(weight, weight_shape, resolved(init, activation), width, fan_out);
  std::vector<Value> operands = {graph.reshape(x, rows), w};
  ops::Linear linear;
  linear.epilogue.bias = !bias.empty();
  linear.epilogue.residual = residual != nullptr;
  if (!bias.empty()) {
    operands.push_back(graph.parameter(bias, {units}, Init::zeros, width, fan_out));
  }
  if (residual != nullptr) operands.push_back(graph.reshape(*residual, {rows[0], units}));
  if (residual == nullptr) linear.epilogue.activation = fused_activation(graph, activation);
  const bool fused = !linear.epilogue.activation.empty();
  const Value y = graph.emit(linear.forward(rows, weight_shape, graph.purpose()), operands)[0];
  return graph.reshape(fused ? y : graph.activation(y, activation),
                       {x.shape[0], x.shape[1], units});
}

Value attend(GraphBuilder& graph, const MultiHeadAttention& layer, const std::string& prefix,
             std::span<const Value> inputs, const Value* residual) {
  const std::string type(MultiHeadAttention::kType);
  if (inputs.empty() || inputs.size() > 3) {
    throw ShapeError(type + ": expected one input to three, got " + std::to_string(inputs.size()));
  }
  for (const Value& x : inputs) sequence(type, x);
  const std::int64_t width = inputs[0].shape[2], dim = layer.dim > 0 ? layer.dim : width;
  if (layer.heads < 1 || dim % layer.heads != 0) {
    throw ShapeError(type + ": heads: " + std::to_string(layer.heads) + " does not divide width " +
                     std::to_string(dim));
  }
  const auto project = [&](const Value& x, const std::string& name, std::int64_t units,
                           std::int64_t fan_out, const Value* added = nullptr) {
    return Projection{.weight = prefix + "w" + name,
                      .bias = layer.bias ? prefix + "b" + name : "",
                      .units = units,
                      .fan_out = fan_out,
                      .init = layer.init,
                      .residual = added}
        .build(graph, x);
  };
  const bool packed = inputs.size() == 1;
  const ops::Attention attention{.heads = layer.heads, .causal = layer.causal, .packed = packed};
  std::vector<Value> operands;
  Op op;
  if (packed) {
    operands = {project(inputs[0], "qkv", 3 * dim, dim)};
    op = attention.forward(operands[0].shape, graph.purpose());
  } else {
    operands = {project(inputs[0], "q", dim, dim), project(inputs[1], "k", dim, dim),
                project(inputs.back(), "v", dim, dim)};
    op =
        attention.forward(operands[0].shape, operands[1].shape, operands[2].shape, graph.purpose());
  }
  const Value y = graph.emit(std::move(op), operands)[0];
  return project(y, "o", width, width, residual);
}

Value MultiHeadAttention::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  return attend(graph, *this, "", inputs);
}

Attributes MultiHeadAttention::attributes() const {
  Attributes a;
  a.set("heads", heads);
  a.set_unless("dim", dim, std::int64_t{0});
  a.set_unless("causal", causal, false);
  a.set_unless("bias", bias, true);
  write_init(a, init);
  return a;
}

MultiHeadAttention MultiHeadAttention::from(const Attributes& a) {
  Fields f(kType, a);
  MultiHeadAttention layer{.heads = f.count("heads", 1)};
  layer.dim = f.count("dim", 0, 0);
  layer.causal = f.flag("causal", false);
  layer.bias = f.flag("bias", true);
  layer.init = f.init();
  f.done();
  return layer;
}

std::span<const LayerType> attention_layers() {
  static constexpr LayerType kTypes[] = {layer_type<MultiHeadAttention>(),
                                         layer_type<TransformerEncoderBlock>(),
                                         layer_type<TransformerDecoderBlock>()};
  return kTypes;
}

}  // namespace soma
