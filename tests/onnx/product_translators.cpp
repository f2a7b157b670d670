#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/matmul.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "windows.hpp"

namespace soma::onnx_tests {
namespace {

std::vector<Tensor> matmul(const Machine& machine, const Node& node) {
  Tensor a = node.in(0), b = node.in(1);
  if (a.integral) throw NotHere("whole numbers");
  const bool row = a.rank() == 1, column = b.rank() == 1;
  if (row) a = a.reshaped({1, a.dims[0]});
  if (column) b = b.reshaped({b.dims[0], 1});
  Dims batch = broadcast({a.dims.begin(), a.dims.end() - 2}, {b.dims.begin(), b.dims.end() - 2});
  const auto matrices = [&](const Tensor& t) {
    Dims to = batch;
    to.insert(to.end(), t.dims.end() - 2, t.dims.end());
    return t.expanded(to).reshaped({count(batch), *(t.dims.end() - 2), t.dims.back()});
  };
  a = matrices(a);
  b = matrices(b);
  const Op op = ops::Matmul{}.forward(shape_of(a), shape_of(b), Purpose::infer);
  Dims dims = batch;
  if (!row) dims.push_back(a.dims[1]);
  if (!column) dims.push_back(b.dims[2]);
  return {machine(op, {a, b}).reshaped(dims)};
}

std::vector<Tensor> gemm(const Machine& machine, const Node& node) {
  const Tensor &a = node.in(0), &b = node.in(1);
  ops::Matmul product;
  product.transpose_a = node.integer("transA", 0) != 0;
  product.transpose_b = node.integer("transB", 0) != 0;
  const Tensor left = a.reshaped({1, a.dims[0], a.dims[1]});
  const Tensor right = b.reshaped({1, b.dims[0], b.dims[1]});
  const auto scaled = [](Tensor t, float factor) {
    for (float& v : t.f) v *= factor;
    return t;
  };
  // alpha belongs to one operand of the product as well as to the product.
  Tensor y = machine(product.forward(shape_of(left), shape_of(right), Purpose::infer),
                     {scaled(left, node.real("alpha", 1)), right});
  y = y.reshaped({y.dims[1], y.dims[2]});
  if (node.has(2)) {
    const Tensor c = scaled(node.in(2), node.real("beta", 1)).expanded(y.dims);
    y = machine(ops::Add::forward(shape_of(y), shape_of(y), Purpose::infer), {y, c});
  }
  return {y};
}

Dims spatial_of(const Tensor& x) { return {x.dims.begin() + 2, x.dims.end()}; }

std::vector<Tensor> conv(const Machine& machine, const Node& node) {
  const Tensor &x = node.in(0), &w = node.in(1);
  ops::Conv2d op;
  op.window = sliding_of(node, spatial_of(w), spatial_of(x)).window;
  op.groups = node.integer("group", 1);
  op.epilogue.bias = node.has(2);
  const Tensor image = as_image(x), weight = as_image(w);
  std::vector<Tensor> inputs{image, weight};
  if (node.has(2)) inputs.push_back(node.in(2));
  const Op forward = op.forward(shape_of(image), shape_of(weight), Purpose::infer);
  return {from_image(machine(forward, inputs), x)};
}

/// The gradient of a convolution with respect to its input is the transposed convolution.
std::vector<Tensor> conv_transpose(const Machine& machine, const Node& node) {
  const Tensor &x = node.in(0), &w = node.in(1);
  const std::size_t axes = static_cast<std::size_t>(x.rank()) - 2;
  if (axes > 2) throw NotHere("three spatial axes");
  const Dims kernel = spatial_of(w), spatial = spatial_of(x);
  const auto strides = node.list("strides", Dims(axes, 1));
  const auto dilations = node.list("dilations", Dims(axes, 1));
  const auto extra = node.list("output_padding", Dims(axes, 0));
  auto pads = node.list("pads", Dims(2 * axes, 0));
  const auto wished = node.list("output_shape", {});
  Dims outputs;
  for (std::size_t a = 0; a < axes; ++a) {
    const std::int64_t whole =
        strides[a] * (spatial[a] - 1) + extra[a] + dilations[a] * (kernel[a] - 1) + 1;
    if (!wished.empty()) {
      const std::int64_t total = whole - wished[wished.size() - axes + a];
      const bool upper = node.text("auto_pad", "NOTSET") == "SAME_UPPER";
      // An output longer than that is padded behind.
      const std::int64_t cut = std::max<std::int64_t>(0, total);
      pads[a] = upper ? cut / 2 : cut - cut / 2;
      pads[axes + a] = cut - pads[a];
      outputs.push_back(whole - total);
      continue;
    }
    outputs.push_back(whole - pads[a] - pads[axes + a]);
  }
  Node forward = node;
  forward.lists["pads"] = pads;
  forward.texts.erase("auto_pad");
  ops::Conv2d op;
  op.groups = node.integer("group", 1);
  op.window = sliding_of(forward, kernel, outputs).window;
  const Tensor image = as_image(x), weight = as_image(w);
  const Shape result{image.dims[0], axes == 2 ? outputs[0] : 1, outputs.back(),
                     weight.dims[3] * op.groups};
  Tensor y = machine(op.backward_data(result, shape_of(weight)), {image, weight});
  if (node.has(2)) {
    const Tensor bias = node.in(2).expanded(y.dims);
    y = machine(ops::Add::forward(shape_of(y), shape_of(y), Purpose::infer), {y, bias});
  }
  return {from_image(y, x)};
}

}  // namespace

std::span<const Translator> product_translators() {
  static constexpr Translator kAll[] = {
      {"MatMul", &matmul}, {"Gemm", &gemm}, {"Conv", &conv}, {"ConvTranspose", &conv_transpose}};
  return kAll;
}

}  // namespace soma::onnx_tests
