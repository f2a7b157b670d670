#include "model/attention_parts.hpp"
#include "soma/philox.hpp"
#include "soma/sdk/ops/dropout.hpp"
#include "soma/sdk/ops/layer_norm.hpp"
#include "soma/sdk/ops/pointwise.hpp"

namespace soma {
namespace {

/// The parts of a block and how they are joined; Block is one of the two layers below.
template <class Block>
class Parts {
 public:
  Parts(GraphBuilder& graph, const Block& block) : graph_(graph), block_(block) {}

  /// Adds x to a part's output, normalised before the part or after the sum. part(value, residual)
  /// computes it and, unless `residual` is null, adds that to it.
  template <class Part>
  Value residual(const Value& x, const std::string& norm, const std::string& dropout,
                 Part&& part) const {
    const Value inside = block_.pre_norm ? normalised(x, norm) : x;
    const bool drops = block_.dropout > 0 && !graph_.predicts();
    Value y = part(inside, drops ? nullptr : &x);
    if (drops) {
      y = dropped(y, dropout);
      y = graph_.emit_one(ops::Add::forward(x.shape, x.shape, graph_.purpose()), {x, y});
    }
    return block_.pre_norm ? y : normalised(y, norm);
  }

  Value attention(const std::string& name, bool causal, std::span<const Value> inputs,
                  const Value* residual) const {
    const MultiHeadAttention layer{.heads = block_.heads,
                                   .dim = 0,
                                   .causal = causal,
                                   .bias = block_.bias,
                                   .init = block_.init};
    return attend(graph_, layer, name + ".", inputs, residual);
  }

  Value feed_forward(const Value& x, const Value* residual) const {
    const std::int64_t width = x.shape[2], units = block_.units > 0 ? block_.units : 4 * width;
    const Projection up{.weight = "feed_forward.w1",
                        .bias = block_.bias ? "feed_forward.b1" : "",
                        .units = units,
                        .fan_out = units,
                        .init = block_.init,
                        .activation = block_.activation};
    const Projection down{.weight = "feed_forward.w2",
                          .bias = block_.bias ? "feed_forward.b2" : "",
                          .units = width,
                          .fan_out = width,
                          .init = block_.init,
                          .residual = residual};
    return down.build(graph_, up.build(graph_, x));
  }

 private:
  Value normalised(const Value& x, const std::string& name) const {
    const ops::RowNorm norm{
        .centred = true, .scale = true, .shift = block_.bias, .epsilon = block_.epsilon};
    const Shape columns{x.shape[2]};
    std::vector<Value> operands = {x, graph_.parameter(name + ".gamma", columns, Init::ones, 0, 0)};
    if (block_.bias) {
      operands.push_back(graph_.parameter(name + ".beta", columns, Init::zeros, 0, 0));
    }
    return graph_.emit(norm.forward(x.shape, graph_.purpose()), operands)[0];
  }
  Value dropped(const Value& x, const std::string& name) const {
    const ops::Dropout dropout{.rate = block_.dropout,
                               .stream = stream_id(graph_.path(name + ".mask"))};
    return graph_.emit_one(dropout.forward(x.shape, graph_.purpose()), {x, graph_.random()});
  }

  GraphBuilder& graph_;
  const Block& block_;
};

template <class Block>
Attributes block_attributes(const Block& block) {
  const Block plain;
  Attributes a;
  a.set("heads", block.heads);
  a.set_unless("units", block.units, plain.units);
  a.set_unless("activation", block.activation, plain.activation);
  a.set_unless("pre_norm", block.pre_norm, plain.pre_norm);
  a.set_unless("dropout", block.dropout, plain.dropout);
  a.set_unless("bias", block.bias, plain.bias);
  a.set_unless("epsilon", block.epsilon, plain.epsilon);
  write_init(a, block.init);
  return a;
}

template <class Block>
Block block_from(const Attributes& a) {
  const Block plain;
  Fields f(Block::kType, a);
  Block block;
  block.heads = f.count("heads", 1);
  block.units = f.count("units", 0, 0);
  block.activation = f.activation("activation", plain.activation);
  block.pre_norm = f.flag("pre_norm", plain.pre_norm);
  block.dropout = f.real("dropout", plain.dropout);
  block.bias = f.flag("bias", plain.bias);
  block.epsilon = f.real("epsilon", plain.epsilon);
  block.init = f.init();
  f.done();
  return block;
}

template <class Block>
void check(const Block& block, std::span<const Value> inputs, std::size_t most) {
  const std::string type(Block::kType);
  if (inputs.empty() || inputs.size() > most) {
    throw ShapeError(type + ": expected " + (most == 1 ? "one input" : "one input or two") +
                     ", got " + std::to_string(inputs.size()));
  }
  for (const Value& x : inputs) sequence(type, x);
  if (!(block.dropout >= 0 && block.dropout < 1)) {
    throw ShapeError(type + ": dropout: expected a number from 0 to below 1, got " +
                     std::to_string(block.dropout));
  }
}

}  // namespace

Value TransformerEncoderBlock::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  check(*this, inputs, 1);
  const Parts parts(graph, *this);
  const Value x =
      parts.residual(inputs[0], "norm1", "dropout1", [&](const Value& in, const Value* residual) {
        return parts.attention("attention", false, std::span(&in, 1), residual);
      });
  return parts.residual(x, "norm2", "dropout2", [&](const Value& in, const Value* residual) {
    return parts.feed_forward(in, residual);
  });
}

Attributes TransformerEncoderBlock::attributes() const { return block_attributes(*this); }
TransformerEncoderBlock TransformerEncoderBlock::from(const Attributes& a) {
  return block_from<TransformerEncoderBlock>(a);
}

Value TransformerDecoderBlock::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  check(*this, inputs, 2);
  const Parts parts(graph, *this);
  Value x =
      parts.residual(inputs[0], "norm1", "dropout1", [&](const Value& in, const Value* residual) {
        return parts.attention("attention", true, std::span(&in, 1), residual);
      });
  if (inputs.size() > 1) {
    x = parts.residual(x, "norm2", "dropout2", [&](const Value& in, const Value* residual) {
      const std::array operands{in, inputs[1]};
      return parts.attention("cross_attention", false, operands, residual);
    });
  }
  return parts.residual(x, "norm3", "dropout3", [&](const Value& in, const Value* residual) {
    return parts.feed_forward(in, residual);
  });
}

Attributes TransformerDecoderBlock::attributes() const { return block_attributes(*this); }
TransformerDecoderBlock TransformerDecoderBlock::from(const Attributes& a) {
  return block_from<TransformerDecoderBlock>(a);
}

}  // namespace soma
