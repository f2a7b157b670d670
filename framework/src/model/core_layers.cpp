#include "model/layer_tools.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "soma/sdk/ops/pool2d.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma {
namespace {

/// Padding after the image so that the last window, begun inside the image or the padding before
/// it, is whole.
std::int64_t ceil_padding(std::int64_t extent, std::int64_t kernel, std::int64_t stride,
                          std::int64_t before, std::int64_t after) {
  const std::int64_t room = before + extent + after - kernel;
  if (room < 0 || room % stride == 0) return after;
  const std::int64_t last = (room / stride + 1) * stride;  // where the added window begins
  return last >= before + extent ? after : last + kernel - before - extent;
}

template <class Pool>
ops::Pool2d pool_of(const Pool& layer, const Shape& image) {
  const std::int64_t h = layer.size_h > 0 ? layer.size_h : layer.size;
  const std::int64_t w = layer.size_w > 0 ? layer.size_w : layer.size;
  ops::Pool2d pool{.kernel_h = h,
                   .kernel_w = w,
                   .window = window_of(layer, image, h, w, layer.stride > 0 ? layer.stride : h,
                                       layer.stride > 0 ? layer.stride : w, 1)};
  if (layer.ceil) {
    ops::Window2d& window = pool.window;
    window.pad_bottom =
        ceil_padding(image[1], h, window.stride_h, window.pad_top, window.pad_bottom);
    window.pad_right =
        ceil_padding(image[2], w, window.stride_w, window.pad_left, window.pad_right);
  }
  return pool;
}

template <class Pool>
Attributes pool_attributes(const Pool& layer) {
  Attributes a;
  a.set("size", layer.size);
  a.set_unless("stride", layer.stride, std::int64_t{0});
  write_padding(a, layer.padding);
  a.set_unless("size_h", layer.size_h, std::int64_t{0});
  a.set_unless("size_w", layer.size_w, std::int64_t{0});
  write_window(a, layer);
  a.set_unless("ceil", layer.ceil, false);
  return a;
}

template <class Pool>
void read_pool(Fields& f, Pool& layer) {
  layer.size = f.count("size", 2);
  layer.stride = f.count("stride", 0, 0);
  layer.padding = f.padding();
  layer.size_h = f.count("size_h", 0, 0);
  layer.size_w = f.count("size_w", 0, 0);
  read_window(f, layer);
  layer.ceil = f.flag("ceil", false);
}

/// Op `Family` on [N,C], the last axis and all others.
template <class Family>
Value over_last_axis(std::string_view type, GraphBuilder& graph, std::span<const Value> inputs) {
  const Value& x = single(type, inputs);
  if (x.shape.rank() < 1) throw ShapeError(std::string(type) + ": expected [...,C], got a scalar");
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < x.shape.rank(); ++axis) rows *= x.shape[axis];
  const Value flat = graph.reshape(x, {rows, x.shape.back()});
  const Value y = graph.emit_one(Family::forward(flat.shape, graph.purpose()), {flat});
  return graph.reshape(y, x.shape);
}

}  // namespace

Value Dense::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (units < 1)
    throw ShapeError("dense: units: expected a whole number of 1 or more, got " +
                     std::to_string(units));
  const Value& given = single(kType, inputs);
  if (!last_axis) {
    const Value x = flat(graph, given);
    return contract(graph, ops::Linear{}, x, {units, x.shape[1]}, bias, activation, init,
                    x.shape[1], units);
  }
  if (given.shape.rank() < 2) {
    throw ShapeError("dense: expected [N,...,K], got " + given.shape.str());
  }
  const std::int64_t width = given.shape.back();
  Shape result = given.shape;
  result.set(result.rank() - 1, units);
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < given.shape.rank(); ++axis) rows *= given.shape[axis];
  const Value x = graph.reshape(given, {rows, width});
  return graph.reshape(contract(graph, ops::Linear{}, x, {units, width}, bias, activation, init,
                                width, units),
                       result);
}

Attributes Dense::attributes() const {
  Attributes a;
  a.set("units", units);
  a.set_unless("last_axis", last_axis, false);
  a.set_unless("bias", bias, true);
  a.set_unless("activation", activation, std::string());
  write_init(a, init);
  return a;
}

Dense Dense::from(const Attributes& a) {
  Fields f(kType, a);
  Dense layer{.units = f.count("units", 0)};
  layer.last_axis = f.flag("last_axis", false);
  layer.bias = f.flag("bias", true);
  layer.activation = f.activation("activation", "");
  layer.init = f.init();
  f.done();
  return layer;
}

Value Conv2d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (filters < 1 || kernel < 1 || stride < 1 || dilation < 1 || groups < 1) {
    throw ShapeError("conv2d: filters, kernel, stride, dilation and groups must be 1 or more");
  }
  const Value& x = image(kType, inputs);
  const std::int64_t channels = x.shape[3];
  if (channels % groups != 0 || filters % groups != 0) {
    throw ShapeError("conv2d: groups: " + std::to_string(groups) + " does not divide " +
                     std::to_string(channels) + " input channels and " + std::to_string(filters) +
                     " filters");
  }
  const std::int64_t h = kernel_h > 0 ? kernel_h : kernel, w = kernel_w > 0 ? kernel_w : kernel;
  ops::Conv2d conv;
  conv.window = window_of(*this, x.shape, h, w, stride, stride, dilation);
  conv.groups = groups;
  const std::int64_t taps = h * w;
  return contract(graph, conv, x, {filters, h, w, channels / groups}, bias, activation, init,
                  channels / groups * taps, filters / groups * taps);
}

Attributes Conv2d::attributes() const {
  Attributes a;
  a.set("filters", filters);
  a.set("kernel", kernel);
  a.set_unless("stride", stride, std::int64_t{1});
  write_padding(a, padding);
  a.set_unless("dilation", dilation, std::int64_t{1});
  a.set_unless("groups", groups, std::int64_t{1});
  a.set_unless("bias", bias, true);
  a.set_unless("activation", activation, std::string());
  write_init(a, init);
  a.set_unless("kernel_h", kernel_h, std::int64_t{0});
  a.set_unless("kernel_w", kernel_w, std::int64_t{0});
  write_window(a, *this);
  return a;
}

Conv2d Conv2d::from(const Attributes& a) {
  Fields f(kType, a);
  Conv2d layer{.filters = f.count("filters", 0)};
  layer.kernel = f.count("kernel", 3);
  layer.stride = f.count("stride", 1);
  layer.padding = f.padding();
  layer.dilation = f.count("dilation", 1);
  layer.groups = f.count("groups", 1);
  layer.bias = f.flag("bias", true);
  layer.activation = f.activation("activation", "");
  layer.init = f.init();
  layer.kernel_h = f.count("kernel_h", 0, 0);
  layer.kernel_w = f.count("kernel_w", 0, 0);
  read_window(f, layer);
  f.done();
  return layer;
}

Value MaxPool2d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = image(kType, inputs);
  const std::array operands{x};
  return graph.emit(pool_of(*this, x.shape).max_forward(x.shape, graph.purpose()), operands)[0];
}

Attributes MaxPool2d::attributes() const { return pool_attributes(*this); }

MaxPool2d MaxPool2d::from(const Attributes& a) {
  Fields f(kType, a);
  MaxPool2d layer;
  read_pool(f, layer);
  f.done();
  return layer;
}

Value AvgPool2d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = image(kType, inputs);
  if (include_pad && ceil) {
    throw ShapeError("avg_pool2d: include_pad: expected false where ceil is true");
  }
  ops::Pool2d pool = pool_of(*this, x.shape);
  pool.include_pad = include_pad;
  return graph.emit_one(pool.avg_forward(x.shape, graph.purpose()), {x});
}

Attributes AvgPool2d::attributes() const {
  Attributes a = pool_attributes(*this);
  a.set_unless("include_pad", include_pad, false);
  return a;
}

AvgPool2d AvgPool2d::from(const Attributes& a) {
  Fields f(kType, a);
  AvgPool2d layer;
  read_pool(f, layer);
  layer.include_pad = f.flag("include_pad", false);
  f.done();
  return layer;
}

Value Flatten::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  return flat(graph, single(kType, inputs));
}

Flatten Flatten::from(const Attributes& a) {
  Fields(kType, a).done();
  return {};
}

Value Activation::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  return graph.activation(single(kType, inputs), function);
}

Attributes Activation::attributes() const {
  Attributes a;
  a.set("function", function);
  return a;
}

Activation Activation::from(const Attributes& a) {
  Fields f(kType, a);
  Activation layer{f.activation("function", "relu")};
  f.done();
  return layer;
}

Value Softmax::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  return over_last_axis<ops::Softmax>(kType, graph, inputs);
}

Softmax Softmax::from(const Attributes& a) {
  Fields(kType, a).done();
  return {};
}

Value LogSoftmax::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  return over_last_axis<ops::LogSoftmax>(kType, graph, inputs);
}

LogSoftmax LogSoftmax::from(const Attributes& a) {
  Fields(kType, a).done();
  return {};
}

Value Add::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (inputs.size() < 2) {
    throw ShapeError("add: expected two inputs or more, got " + std::to_string(inputs.size()));
  }
  Value sum = inputs[0];
  for (const Value& next : inputs.subspan(1)) {
    sum = graph.emit_one(ops::Add::forward(sum.shape, next.shape, graph.purpose()), {sum, next});
  }
  return sum;
}

Add Add::from(const Attributes& a) {
  Fields(kType, a).done();
  return {};
}

std::span<const LayerType> core_layers() {
  static constexpr LayerType kTypes[] = {
      layer_type<Dense>(),     layer_type<Conv2d>(),     layer_type<MaxPool2d>(),
      layer_type<AvgPool2d>(), layer_type<Flatten>(),    layer_type<Activation>(),
      layer_type<Softmax>(),   layer_type<LogSoftmax>(), layer_type<Add>()};
  return kTypes;
}

}  // namespace soma
