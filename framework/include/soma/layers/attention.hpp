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

}  // namespace soma
