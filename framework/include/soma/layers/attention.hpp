#pragma once

#include "soma/layer.hpp"

namespace soma {

// Letters: N batch, T positions of a sequence, D its width. As in layers/core.hpp, each struct has
// kType, build, attributes and from(Attributes).

/// Attention of `heads` heads, soma/sdk/ops/attention.hpp, between two linear maps.
/// Inputs: x [N,T,D], which attends to itself; or queries [N,T,D] and what they attend to [N,S,C];
/// or queries, keys [N,S,C] and values [N,S,E]. Output [N,T,D].
/// `dim` is the width of all heads together, which `heads` divides; 0 means D. With `causal` no
/// position sees a later one. Parameters of one input: wqkv [3*dim,D], bqkv [3*dim], the thirds
/// for queries, keys and values; of more: wq [dim,D], wk [dim,C], wv [dim,E], bq, bk, bv [dim].
/// Then wo [D,dim], bo [D]. Without `bias` none of the b's. init `automatic` is xavier_uniform,
/// each third on its own.
struct SOMA_API MultiHeadAttention {
  static constexpr std::string_view kType = "multi_head_attention";
  std::int64_t heads = 1;
  std::int64_t dim = 0;
  bool causal = false;
  bool bias = true;
  Init init = Init::automatic;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static MultiHeadAttention from(const Attributes& a);
};

/// One block of a transformer encoder: attention of every position to all, then a network of two
/// layers at each position, both with a skip connection and layer norm. x [N,T,D] -> [N,T,D].
///   pre_norm   x = x + attention(norm1(x));  x = x + w2 * activation(w1 * norm2(x))
///   otherwise  x = norm1(x + attention(x));  x = norm2(x + w2 * activation(w1 * x))
/// In training what is added to x passes a dropout of rate `dropout`. Parameters
/// attention.{wqkv,bqkv,wo,bo} as in MultiHeadAttention, norm1.{gamma,beta}, norm2.{gamma,beta}
/// [D], feed_forward.w1 [units,D], .b1 [units], .w2 [D,units], .b2 [D]; without `bias` none of the
/// b's and betas. units 0 means 4 * D. init as in layers/core.hpp, for all weights. Source: Vaswani
/// et al., arXiv:1706.03762; pre_norm: Xiong et al., arXiv:2002.04745.
struct SOMA_API TransformerEncoderBlock {
  static constexpr std::string_view kType = "transformer_encoder_block";
  std::int64_t heads = 1;
  std::int64_t units = 0;
  std::string activation = "gelu";
  bool pre_norm = true;
  double dropout = 0;  // 0 to below 1
  bool bias = true;
  double epsilon = 1e-5;
  Init init = Init::automatic;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static TransformerEncoderBlock from(const Attributes& a);
};

/// The same with causal attention, and given a second input, memory [N,S,C], with attention to that
/// in between: norm2 and cross_attention.{wq,wk,wv,bq,bk,bv,wo,bo}. The norm of the network at each
/// position is norm3.
struct SOMA_API TransformerDecoderBlock {
  static constexpr std::string_view kType = "transformer_decoder_block";
  std::int64_t heads = 1;
  std::int64_t units = 0;
  std::string activation = "gelu";
  bool pre_norm = true;
  double dropout = 0;  // 0 to below 1
  bool bias = true;
  double epsilon = 1e-5;
  Init init = Init::automatic;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static TransformerDecoderBlock from(const Attributes& a);
};

}  // namespace soma
