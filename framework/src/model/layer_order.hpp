#pragma once

#include <cstddef>
#include <vector>

namespace soma {

/// An order of layers in which each comes after those it takes its inputs from.
struct LayerOrder {
  std::vector<std::size_t> order;  ///< of all layers, as close to the given order as can be
  std::vector<std::size_t> cycle;  ///< if there is no order: layers, each feeding the next and the
                                   ///< last feeding the first, from the one given first; else empty
};

/// `inputs[i]` are the layers that layer i takes its inputs from.
LayerOrder layer_order(const std::vector<std::vector<std::size_t>>& inputs);

}  // namespace soma
