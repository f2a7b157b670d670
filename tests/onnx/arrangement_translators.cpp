#include <algorithm>
#include <limits>

#include "soma/sdk/ops/arrangement.hpp"
#include "soma/sdk/ops/embedding.hpp"
#include "soma/sdk/ops/upsample2d.hpp"
#include "windows.hpp"

namespace soma::onnx_tests {
namespace {

void insist_on_floats(const Tensor& t) {
  if (t.integral) throw NotHere("whole numbers");
}

/// Ops that only give the elements another shape: views in the product.
std::vector<Tensor> view(const Machine&, const Node& node) {
  if (!node.outputs[0]) throw NotHere("no expected output");
  return {node.in(0).reshaped(node.outputs[0]->dims)};
}

/// Without training a dropout is the identity; the mask is then all ones.
std::vector<Tensor> dropout(const Machine&, const Node& node) {
  if (node.has(2) && node.in(2).i[0] != 0 && node.in(1).f[0] != 0) throw NotHere("random numbers");
  Tensor mask{node.in(0).dims, true, {}, std::vector<std::int64_t>(node.in(0).f.size(), 1)};
  return {node.in(0), mask};
}

Tensor permuted(const Machine& machine, const Tensor& x, std::vector<int> order) {
  const ops::Permute permute{std::move(order)};
  return machine(permute.forward(shape_of(x), Purpose::infer), {x});
}

std::vector<Tensor> transpose(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  insist_on_floats(x);
  std::vector<int> order;
  for (const std::int64_t axis : node.list("perm", {})) order.push_back(static_cast<int>(axis));
  for (std::int64_t k = x.rank(); k > 0 && node.list("perm", {}).empty(); --k) {
    order.push_back(static_cast<int>(k - 1));
  }
  return {permuted(machine, x, order)};
}

std::vector<Tensor> concat(const Machine& machine, const Node& node) {
  std::vector<Tensor> inputs;
  std::vector<Shape> shapes;
  for (const auto& input : node.inputs) {
    insist_on_floats(input.value());
    inputs.push_back(*input);
    shapes.push_back(shape_of(*input));
  }
  const ops::Concat op{static_cast<int>(inputs[0].axis(node.integer("axis", 0)))};
  return {machine(op.forward(shapes, Purpose::infer), inputs)};
}

Tensor sliced(const Machine& machine, const Tensor& x, std::size_t axis, std::int64_t begin,
              std::int64_t end) {
  const ops::Slice op{static_cast<int>(axis), begin, end};
  return machine(op.forward(shape_of(x), Purpose::infer), {x});
}

std::vector<Tensor> slice(const Machine& machine, const Node& node) {
  Tensor x = node.in(0);
  insist_on_floats(x);
  if (node.opset < 10) throw NotHere("an old form of Slice");
  const Tensor &starts = node.in(1), &ends = node.in(2);
  for (std::size_t k = 0; k < starts.i.size(); ++k) {
    if (node.has(4) && node.in(4).i[k] != 1) throw NotHere("steps other than 1");
    const std::size_t axis = node.has(3) ? x.axis(node.in(3).i[k]) : k;
    const std::int64_t extent = x.dims[axis];
    const auto place = [&](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + extent : at, 0, extent);
    };
    const std::int64_t begin = place(starts.i[k]);
    x = sliced(machine, x, axis, begin, std::max(begin, place(ends.i[k])));
  }
  return {x};
}

std::vector<Tensor> split(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  insist_on_floats(x);
  const std::size_t axis = x.axis(node.integer("axis", 0));
  const auto parts = static_cast<std::int64_t>(node.outputs.size());
  std::vector<std::int64_t> sizes = node.has(1) ? node.in(1).i : node.list("split", {});
  if (sizes.empty()) {
    const std::int64_t each = (x.dims[axis] + parts - 1) / parts;
    for (std::int64_t k = 0; k < parts; ++k) {
      sizes.push_back(std::min(each, x.dims[axis] - k * each));
    }
  }
  std::vector<Tensor> pieces;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    pieces.push_back(sliced(machine, x, axis, begin, begin + size));
    begin += size;
  }
  return pieces;
}

std::vector<Tensor> pad(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  insist_on_floats(x);
  if (node.text("mode", "constant") != "constant") throw NotHere("padding with the tensor itself");
  const std::vector<std::int64_t> pads = node.has(1) ? node.in(1).i : node.list("pads", {});
  ops::Pad op;
  op.padding.assign(x.dims.size(), {0, 0});
  const std::size_t axes = pads.size() / 2;
  for (std::size_t k = 0; k < axes; ++k) {
    const std::size_t axis = node.has(3) ? x.axis(node.in(3).i[k]) : k;
    op.padding[axis] = {pads[k], pads[axes + k]};
    if (pads[k] < 0 || pads[axes + k] < 0) throw NotHere("negative padding");
  }
  op.value = node.has(2) ? node.in(2).f[0] : node.real("value", 0);
  return {machine(op.forward(shape_of(x), Purpose::infer), {x})};
}

/// Along the first axis of what is seen as a table: an embedding.
std::vector<Tensor> gather(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  insist_on_floats(x);
  const std::size_t axis = x.axis(node.integer("axis", 0));
  std::vector<std::size_t> order{axis};
  for (std::size_t k = 0; k < x.dims.size(); ++k) {
    if (k != axis) order.push_back(k);
  }
  Tensor table = x.permuted(order);
  const Dims rest(table.dims.begin() + 1, table.dims.end());
  table = table.reshaped({table.dims[0], count(rest)});
  Tensor ids = node.in(1);
  for (std::int64_t& id : ids.i) id += id < 0 ? table.dims[0] : 0;
  const ops::Embedding op;
  Tensor rows = machine(op.forward(shape_of(table), shape_of(ids), Purpose::infer), {table, ids});
  Dims dims = ids.dims;
  dims.insert(dims.end(), rest.begin(), rest.end());
  rows = rows.reshaped(dims);
  // The gathered axes go back to where the axis was.
  const std::size_t gathered = ids.dims.size();
  std::vector<std::size_t> back;
  for (std::size_t k = 0; k < axis; ++k) back.push_back(gathered + k);
  for (std::size_t k = 0; k < gathered; ++k) back.push_back(k);
  for (std::size_t k = axis; k < rest.size(); ++k) back.push_back(gathered + k);
  return {rows.permuted(back)};
}

/// Blocks of channels to blocks of pixels and back: a permutation of a finer view.
std::vector<Tensor> depth_to_space(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  const std::int64_t b = node.integer("blocksize", 1), n = x.dims[0], c = x.dims[1] / (b * b),
                     h = x.dims[2], w = x.dims[3];
  const bool crd = node.text("mode", "DCR") == "CRD";
  const Tensor fine = x.reshaped(crd ? Dims{n, c, b, b, h, w} : Dims{n, b, b, c, h, w});
  const std::vector<int> order =
      crd ? std::vector<int>{0, 1, 4, 2, 5, 3} : std::vector<int>{0, 3, 4, 1, 5, 2};
  return {permuted(machine, fine, order).reshaped({n, c, h * b, w * b})};
}

std::vector<Tensor> space_to_depth(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  const std::int64_t b = node.integer("blocksize", 1), n = x.dims[0], c = x.dims[1],
                     h = x.dims[2] / b, w = x.dims[3] / b;
  const Tensor fine = x.reshaped({n, c, h, b, w, b});
  return {permuted(machine, fine, {0, 3, 5, 1, 2, 4}).reshaped({n, c * b * b, h, w})};
}

/// Whole factors, half-pixel coordinates.
std::vector<Tensor> resize(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  const Dims& to = node.outputs[0].value().dims;
  const std::string where = node.text("coordinate_transformation_mode", "half_pixel");
  const std::string mode = node.text("mode", "nearest");
  if (x.rank() != 4 || to[0] != x.dims[0] || to[1] != x.dims[1] || to[2] % x.dims[2] != 0 ||
      to[3] % x.dims[3] != 0) {
    throw NotHere("factors that are no whole numbers");
  }
  if (where != "half_pixel" && !(where == "half_pixel_symmetric" && mode == "linear")) {
    throw NotHere("coordinates " + where);
  }
  if (mode == "nearest" && node.text("nearest_mode", "round_prefer_floor") == "ceil") {
    throw NotHere("nearest rounded up");
  }
  const ops::Upsample2d op{to[2] / x.dims[2], to[3] / x.dims[3], mode == "linear"};
  const Tensor image = as_image(x);
  return {from_image(machine(op.forward(shape_of(image), Purpose::infer), {image}), x)};
}

}  // namespace

std::span<const Translator> arrangement_translators() {
  static constexpr Translator kAll[] = {{"Identity", &view},
                                        {"Flatten", &view},
                                        {"Reshape", &view},
                                        {"Squeeze", &view},
                                        {"Unsqueeze", &view},
                                        {"Dropout", &dropout},
                                        {"Transpose", &transpose},
                                        {"Concat", &concat},
                                        {"Slice", &slice},
                                        {"Split", &split},
                                        {"Pad", &pad},
                                        {"Gather", &gather},
                                        {"DepthToSpace", &depth_to_space},
                                        {"SpaceToDepth", &space_to_depth},
                                        {"Resize", &resize}};
  return kAll;
}

}  // namespace soma::onnx_tests
