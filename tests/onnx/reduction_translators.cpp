#include <algorithm>

#include "soma/sdk/ops/axis_reduction.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "translation.hpp"

namespace soma::onnx_tests {
namespace {

/// The axes to reduce, ascending; none given means all, unless the case says none.
std::vector<std::size_t> axes_of(const Node& node) {
  const Tensor& x = node.in(0);
  if (x.integral) throw NotHere("whole numbers");
  const std::vector<std::int64_t> given = node.has(1) ? node.in(1).i : node.list("axes", {});
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : given) axes.push_back(x.axis(axis));
  if (given.empty() && node.integer("noop_with_empty_axes", 0) == 0) {
    for (std::size_t k = 0; k < x.dims.size(); ++k) axes.push_back(k);
  }
  std::ranges::sort(axes);
  return axes;
}

using Reduction = Op (ops::AxisReduction::*)(const Shape&, Purpose) const;

/// One axis after the other, the last first.
Tensor reduced(const Machine& machine, Tensor x, const std::vector<std::size_t>& axes,
               Reduction reduction) {
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    const ops::AxisReduction op{static_cast<int>(*axis)};
    if (reduction != &ops::AxisReduction::sum && x.dims[*axis] == 0) {
      throw NotHere("an extremum or mean of nothing");
    }
    x = machine((op.*reduction)(shape_of(x), Purpose::infer), {x});
  }
  return x;
}

Tensor shaped(const Node& node, const Tensor& y) {
  return y.reshaped(node.outputs[0].value().dims);
}

template <Reduction reduction>
std::vector<Tensor> reduce(const Machine& machine, const Node& node) {
  return {shaped(node, reduced(machine, node.in(0), axes_of(node), reduction))};
}

/// -max(-x).
std::vector<Tensor> reduce_min(const Machine& machine, const Node& node) {
  Tensor x = node.in(0);
  const auto axes = axes_of(node);
  for (float& v : x.f) v = -v;
  Tensor y = reduced(machine, x, axes, &ops::AxisReduction::max);
  for (float& v : y.f) v = -v;
  return {shaped(node, y)};
}

/// The sum of f(x), f being an op of the product.
Tensor sum_of(const Machine& machine, const Node& node, const char* function) {
  const Tensor& x = node.in(0);
  const auto axes = axes_of(node);
  const Op op = ops::Activation{function}.forward(shape_of(x), Purpose::infer);
  return shaped(node, reduced(machine, machine(op, {x}), axes, &ops::AxisReduction::sum));
}

std::vector<Tensor> reduce_l1(const Machine& machine, const Node& node) {
  return {sum_of(machine, node, "abs")};
}
std::vector<Tensor> reduce_sum_square(const Machine& machine, const Node& node) {
  return {sum_of(machine, node, "square")};
}
std::vector<Tensor> reduce_l2(const Machine& machine, const Node& node) {
  const Tensor squares = sum_of(machine, node, "square");
  const Op root = ops::Activation{"sqrt"}.forward(shape_of(squares), Purpose::infer);
  return {machine(root, {squares})};
}

template <bool least>
std::vector<Tensor> arg_extremum(const Machine& machine, const Node& node) {
  Tensor x = node.in(0);
  if (x.integral) throw NotHere("whole numbers");
  if (node.integer("select_last_index", 0) != 0) throw NotHere("the last of equal ones");
  if (least) {
    for (float& v : x.f) v = -v;
  }
  const ops::AxisReduction op{static_cast<int>(x.axis(node.integer("axis", 0)))};
  const Tensor index = machine.run(op.max(shape_of(x), Purpose::train), {x})[1];
  return {shaped(node, index)};
}

}  // namespace

std::span<const Translator> reduction_translators() {
  static constexpr Translator kAll[] = {{"ReduceSum", &reduce<&ops::AxisReduction::sum>},
                                        {"ReduceMean", &reduce<&ops::AxisReduction::mean>},
                                        {"ReduceMax", &reduce<&ops::AxisReduction::max>},
                                        {"ReduceMin", &reduce_min},
                                        {"ReduceL1", &reduce_l1},
                                        {"ReduceL2", &reduce_l2},
                                        {"ReduceSumSquare", &reduce_sum_square},
                                        {"ArgMax", &arg_extremum<false>},
                                        {"ArgMin", &arg_extremum<true>}};
  return kAll;
}

}  // namespace soma::onnx_tests
