#pragma once

#include <string>
#include <vector>

#include "soma/graph.hpp"
#include "soma/model.hpp"

namespace soma {

/// A model's graph up to a layer, as in prediction.
struct ProbeGraph {
  Graph graph;
  int sums = -1;     ///< what the layer's last activation is applied to; in the layer's shape
  int outputs = -1;  ///< what the layer gives
};

/// True for an op that computes a function of each element: built in, prelu or a plugin's.
bool is_activation(const Op& op);

/// The number of a layer. Throws ShapeError that lists the layers.
std::size_t layer_number(const Model& model, const std::string& layer);

/// `purpose` tells whether its ops keep what a backward needs. The graph's outputs are sums and
/// outputs.
ProbeGraph probe_graph(const Model& model, std::size_t layer, std::int64_t batch, Purpose purpose);

/// Makes these values, and what depends on them, the only ones that need a gradient. Before losses
/// and backward are appended.
void want_gradients_of(Graph& graph, const std::vector<int>& values);

}  // namespace soma
