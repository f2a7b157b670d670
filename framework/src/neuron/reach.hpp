#pragma once

#include <cstdint>
#include <vector>

#include "soma/graph.hpp"
#include "soma/neuron/neuron_view.hpp"

namespace soma {

/// One byte for each element of a value: 1 where it belongs to a set, else 0.
using ElementSet = std::vector<std::uint8_t>;

/// Walks a forward graph back from the elements `from` of `value` and returns, for each of the
/// graph's inputs, the elements on which one of them can depend, whatever the weights: tap by tap
/// through windows, step by step through recurrences, head by head through attention. An op that
/// the walk does not know (a plugin's) can depend on all its inputs.
std::vector<ElementSet> reaching_inputs(const Graph& graph, int value, ElementSet from);

/// Sets the box of a field from what reaches.
void fit_box(ReceptiveField& field);

}  // namespace soma
