#pragma once

#include <string>

#include "model/layer_tools.hpp"

/// What attention layers and the blocks made of them share.
namespace soma {

/// Throws ShapeError unless x is a sequence [N,T,D].
inline const Value& sequence(std::string_view type, const Value& x) {
  if (x.shape.rank() != 3) {
    throw ShapeError(std::string(type) + ": expected a sequence [N,T,D], got " + x.shape.str());
  }
  return x;
}

/// A linear map of the last axis of a sequence [N,T,K].
struct Projection {
  std::string weight;  ///< name of the parameter [units,K]
  std::string bias;    ///< name of the parameter [units]; "" for none
  std::int64_t units = 0;
  std::int64_t fan_out = 0;  ///< of `weight`, see Init
  Init init = Init::automatic;
  std::string activation = "";
  const Value* residual = nullptr;  ///< [N,T,units], added to the sums and their bias

  /// [N,T,units]
  Value build(GraphBuilder& graph, const Value& x) const;
};

/// Attention between its linear maps, whose parameters are named `prefix` + "wqkv" and so on. With
/// `residual` [N,T,D] that is added to the output.
Value attend(GraphBuilder& graph, const MultiHeadAttention& layer, const std::string& prefix,
             std::span<const Value> inputs, const Value* residual = nullptr);

}  // namespace soma
