#include "graph/gradients.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"
#include "soma/sdk/ops/pointwise.hpp"

namespace soma {
namespace {

using Kind = Graph::PenaltyInfo::Kind;

/// The terms whose sum over a sample, times `factor`, plus `offset`, is the penalty.
struct Terms {
  Value each;
  double factor = 1, offset = 0;
};

Terms terms_of(GraphBuilder& builder, Kind kind, const Value& x, const Value& log_variance) {
  switch (kind) {
    case Kind::absolute:
      return {builder.activation(x, "abs")};
    case Kind::square:
      return {builder.activation(x, "square"), 0.5};
    case Kind::gaussian_kl:
      break;
  }
  const Shape& shape = x.shape;
  const Purpose purpose = builder.purpose();
  const Value sum =
      builder.emit_one(ops::Add::forward(shape, shape, purpose),
                       {builder.activation(x, "square"), builder.activation(log_variance, "exp")});
  const Value terms =
      builder.emit_one(ops::Subtract::forward(shape, shape, purpose), {sum, log_variance});
  return {terms, 0.5, -0.5 * static_cast<double>(shape.elements_from(1))};
}

}  // namespace

void append_penalties(Graph& graph, Purpose purpose) {
  GraphBuilder builder(graph, purpose);
  for (std::size_t i = 0; i < graph.penalties.size(); ++i) {
    const Graph::PenaltyInfo info = graph.penalties[i];
    const auto value = [&](int id) { return Value{id, graph.shape(id)}; };
    const std::size_t before = graph.nodes.size();
    const Terms terms = terms_of(builder, info.kind, value(info.of.front()), value(info.of.back()));
    const Shape all{1, terms.each.shape.elements()};
    const Value sum = builder.emit_one(ops::AxisReduction{1}.sum(all, purpose),
                                       {builder.reshape(terms.each, all)});
    const ops::Scale mean{.factor = terms.factor / static_cast<double>(terms.each.shape[0]),
                          .offset = terms.offset};
    graph.penalties[i].value = builder.emit_one(mean.forward(sum.shape, purpose), {sum}).id;
    for (std::size_t n = before; n < graph.nodes.size(); ++n) graph.nodes[n].layer = info.layer;
  }
}

}  // namespace soma
