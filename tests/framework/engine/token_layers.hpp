#pragma once

#include "soma/graph.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/loss.hpp"

namespace soma {

/// ids int32 [N,T] -> logits [N,T,units]: at each position, the row of "table" [units, vocabulary]
/// that belongs to the index, as the product with a one-hot vector. The one-hot vector comes from
/// the cross-entropy's backward on probabilities that are all zero.
struct TokenLogits {
  static constexpr std::string_view kType = "token_logits";
  std::int64_t vocabulary = 0, units = 0;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const {
    const Value& ids = inputs[0];
    const std::int64_t items = ids.shape.elements();
    const Shape rows{items, vocabulary};
    const Value zeros = graph.leaf(Graph::Source::constant, {DType::f32, rows});
    const Value scale =
        graph.leaf(Graph::Source::constant, {DType::f32, {1}}, -1, 0, -static_cast<float>(items));
    const Value one_hot = graph.emit_one(ops::SoftmaxCrossEntropy{}.backward(rows),
                                         {zeros, graph.reshape(ids, {items}), scale});
    const Value table =
        graph.parameter("table", {units, vocabulary}, Init::xavier_uniform, vocabulary, units);
    const Value logits =
        graph.emit_one(ops::Linear{}.forward(rows, table.shape, graph.purpose()), {one_hot, table});
    Shape shape = ids.shape;
    shape.append(units);
    return graph.reshape(logits, shape);
  }
  Attributes attributes() const { return {}; }
};

}  // namespace soma
