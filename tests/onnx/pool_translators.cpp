#include "soma/sdk/ops/pool2d.hpp"
#include "windows.hpp"

namespace soma::onnx_tests {
namespace {

ops::Pool2d pool_of(const Node& node) {
  const Tensor& x = node.in(0);
  const Sliding s =
      sliding_of(node, node.list("kernel_shape", {}), Dims(x.dims.begin() + 2, x.dims.end()));
  if (s.window.dilation_h > 1 || s.window.dilation_w > 1) throw NotHere("dilated pooling");
  ops::Pool2d pool{.kernel_h = s.kernel_h, .kernel_w = s.kernel_w, .window = s.window};
  pool.include_pad = node.integer("count_include_pad", 0) != 0;
  if (pool.include_pad && node.integer("ceil_mode", 0) != 0) {
    throw NotHere("partial windows that count padding");
  }
  return pool;
}

ops::Pool2d whole_image(const Tensor& image) {
  return {.kernel_h = image.dims[1], .kernel_w = image.dims[2], .window = {}};
}

std::vector<Tensor> average_pool(const Machine& machine, const Node& node) {
  const Tensor image = as_image(node.in(0));
  const Op op = pool_of(node).avg_forward(shape_of(image), Purpose::infer);
  return {from_image(machine(op, {image}), node.in(0))};
}

std::vector<Tensor> max_pool(const Machine& machine, const Node& node) {
  const Tensor image = as_image(node.in(0));
  const Op op = pool_of(node).max_forward(shape_of(image), Purpose::infer);
  return {from_image(machine(op, {image}), node.in(0))};
}

std::vector<Tensor> global_average_pool(const Machine& machine, const Node& node) {
  const Tensor image = as_image(node.in(0));
  const Op op = whole_image(image).avg_forward(shape_of(image), Purpose::infer);
  return {from_image(machine(op, {image}), node.in(0))};
}

std::vector<Tensor> global_max_pool(const Machine& machine, const Node& node) {
  const Tensor image = as_image(node.in(0));
  const Op op = whole_image(image).max_forward(shape_of(image), Purpose::infer);
  return {from_image(machine(op, {image}), node.in(0))};
}

}  // namespace

std::span<const Translator> pool_translators() {
  static constexpr Translator kAll[] = {{"AveragePool", &average_pool},
                                        {"MaxPool", &max_pool},
                                        {"GlobalAveragePool", &global_average_pool},
                                        {"GlobalMaxPool", &global_max_pool}};
  return kAll;
}

}  // namespace soma::onnx_tests
