#include "slices.hpp"

#include <algorithm>

#include "family.hpp"

namespace soma::conformance {

ItemAxes item_axes(const Op& op) {
  if (const FamilyRules* rules = rules_of(op)) {
    return rules->items == nullptr ? ItemAxes() : rules->items(op);
  }
  const std::string_view family = op.family(), direction = op.direction();
  ItemAxes axes;
  const auto all_inputs = [&](int axis) {
    for (int i = 0; i < static_cast<int>(op.inputs.size()); ++i) axes.inputs.emplace_back(i, axis);
  };
  const auto all_outputs = [&](int axis) {
    for (int i = 0; i < static_cast<int>(op.outputs.size()); ++i) {
      axes.outputs.emplace_back(i, axis);
      axes.item_outputs.push_back(i);
    }
  };
  if (family == "linear/1" || family == "conv2d/1") {
    if (direction == "bwd_weights") return {};
    axes.inputs.emplace_back(0, 0);
    if (op.attributes.flag("residual")) {
      axes.inputs.emplace_back(static_cast<int>(op.inputs.size()) - 1, 0);
    }
    all_outputs(0);
  } else if (family == "matmul/1" && direction == "fwd" && op.in(0)[0] == 1) {
    // One matrix: its rows are the items. Several: each matrix is one.
    axes.inputs.emplace_back(0, op.attributes.flag("transpose_a") ? 2 : 1);
    all_outputs(1);
  } else if (family == "matmul/1" || family == "max_pool2d/1" || family == "avg_pool2d/1" ||
             family == "softmax/1") {
    all_inputs(0);
    all_outputs(0);
  } else if (family == "relu/1" || family == "sigmoid/1" || family == "tanh/1" ||
             family == "add/1") {
    if (op.in(0).rank() == 0) return {};
    all_inputs(0);
    all_outputs(0);
  }
  return axes;
}

Op item_op(const Op& op, const ItemAxes& axes) {
  Op item = op;
  for (const auto& [i, axis] : axes.inputs) {
    item.inputs[static_cast<std::size_t>(i)].shape.set(axis, 1);
  }
  for (const auto& [i, axis] : axes.outputs) {
    item.outputs[static_cast<std::size_t>(i)].shape.set(axis, 1);
  }
  return item;
}

Operands item_operands(const Operands& operands, const ItemAxes& axes, std::int64_t i) {
  Operands item = operands;
  for (const auto& [operand, axis] : axes.inputs) {
    Array& array = item.inputs[static_cast<std::size_t>(operand)];
    array = slice(array, axis, i);
  }
  for (const auto& [operand, axis] : axes.outputs) {
    Array& array = item.old_outputs[static_cast<std::size_t>(operand)];
    array = slice(array, axis, i);
  }
  return item;
}

Array slice(const Array& from, int axis, std::int64_t i) {
  TensorInfo info = from.info;
  info.shape.set(axis, 1);
  Array to(info);
  const std::size_t inner =
      size_bytes(info.dtype) * static_cast<std::size_t>(info.shape.elements_from(axis + 1));
  const std::size_t stride = inner * static_cast<std::size_t>(from.info.shape[axis]);
  if (inner == 0) return to;
  for (std::size_t at = 0, block = 0; at < to.bytes.size(); at += inner, ++block) {
    std::copy_n(from.bytes.data() + block * stride + static_cast<std::size_t>(i) * inner, inner,
                to.bytes.data() + at);
  }
  return to;
}

}  // namespace soma::conformance
