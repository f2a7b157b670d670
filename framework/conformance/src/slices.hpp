#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "soma/conformance/data.hpp"

namespace soma::conformance {

/// The operands of an op that hold one item per index of an axis: rows of a batch. Everything else
/// (weights, scalars) is shared by all items.
struct ItemAxes {
  using Place = std::pair<int, int>;  // operand, axis
  std::vector<Place> inputs, outputs;
  std::vector<int> item_outputs;  // outputs that depend on their own item alone

  std::int64_t items(const Op& op) const {
    return inputs.empty() ? 0 : op.in(static_cast<std::size_t>(inputs[0].first))[inputs[0].second];
  }
};

/// No places where the op has no items or mixes them (weight gradients, optimizers).
ItemAxes item_axes(const Op& op);

/// The op on one item.
Op item_op(const Op& op, const ItemAxes& axes);

/// Item `i` of its operands.
Operands item_operands(const Operands& operands, const ItemAxes& axes, std::int64_t i);

/// The slice [i] of `axis`, which keeps extent 1.
Array slice(const Array& from, int axis, std::int64_t i);

}  // namespace soma::conformance
