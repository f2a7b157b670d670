#pragma once

#include <functional>
#include <vector>

#include "soma/graph.hpp"
#include "soma/model.hpp"

/// Rewrites of a finished graph. All but fold_normalization keep every bit of its outputs, losses,
/// parameters and state.
namespace soma {

/// Computes on the way out of a contraction or a batch norm what only its result is used for: a sum
/// with another value becomes its residual, an activation its epilogue's (when training, and behind
/// a norm, only relu; see Epilogue). Where `takes` refuses the fused op, the plain ones stay.
/// Before losses and backward are appended.
void fuse_epilogues(Graph& graph, Purpose purpose, const std::function<bool(const Op&)>& takes);

/// Of an inference: makes a batch norm that alone uses the result of a contraction part of that
/// contraction's weights and bias, where `may_change` says so of the contraction. Appends them to
/// `parameters`, which has those of the graph, unless an earlier graph of the same model did so
/// already. The roundings are others than in the canonical order.
void fold_normalization(Graph& graph, std::vector<Parameter>& parameters,
                        const std::function<bool(const Op&)>& may_change);

/// Behind a backward: relu and max pooling may change places, as the largest of a window passes its
/// gradient on exactly if the pooled value is positive. So the relu's gradient is taken of the
/// small tensor, before it is spread.
void mask_before_pooling(Graph& graph);

/// Takes away the nodes whose results nobody uses.
void remove_dead_nodes(Graph& graph);

/// Lets each parameter be updated as soon as its gradient is there and nobody needs the old value:
/// both are in cache then, and the gradient's memory serves others.
void hasten_updates(Graph& graph);

/// Moves what computes a parameter's gradient behind the rest of the backward pass, where the
/// gradient takes more memory than what it is computed from: a large one is then still in cache
/// when the parameter is updated, and shares its memory with what came before.
void postpone_gradients(Graph& graph);

}  // namespace soma
