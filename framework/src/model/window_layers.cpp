#include "model/layer_tools.hpp"
#include "soma/layers/window.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/pool2d.hpp"
#include "soma/sdk/ops/upsample2d.hpp"

namespace soma {
namespace {

/// A sequence as an image of one row, and back.
Value as_row(GraphBuilder& graph, const Value& x) {
  return graph.reshape(x, {x.shape[0], 1, x.shape[1], x.shape[2]});
}
Value as_sequence(GraphBuilder& graph, const Value& image) {
  return graph.reshape(image, {image.shape[0], image.shape[2], image.shape[3]});
}

template <class Pool, class Pool2d>
Value build_pool1d(const Pool& layer, GraphBuilder& graph, std::span<const Value> inputs) {
  const std::array row{as_row(graph, sequence(Pool::kType, inputs))};
  Pool2d pool{.size = layer.size, .stride = layer.stride, .padding = layer.padding};
  pool.size_h = pool.stride_h = 1;
  return as_sequence(graph, pool.build(graph, row));
}

template <class Pool>
Attributes pool1d_attributes(const Pool& layer) {
  Attributes a;
  a.set("size", layer.size);
  a.set_unless("stride", layer.stride, std::int64_t{0});
  write_padding(a, layer.padding);
  return a;
}

template <class Pool>
Pool pool1d_from(const Attributes& a) {
  Fields f(Pool::kType, a);
  Pool layer{.size = f.count("size", 2)};
  layer.stride = f.count("stride", 0, 0);
  layer.padding = f.padding();
  f.done();
  return layer;
}

/// A window that is the whole image.
ops::Pool2d whole(const Shape& image) {
  return {.kernel_h = image[1], .kernel_w = image[2], .window = {}};
}

void check_groups(std::string_view type, std::int64_t groups, std::int64_t channels,
                  std::int64_t filters) {
  if (channels % groups == 0 && filters % groups == 0) return;
  throw ShapeError(std::string(type) + ": groups: " + std::to_string(groups) + " does not divide " +
                   std::to_string(channels) + " input channels and " + std::to_string(filters) +
                   " filters");
}

}  // namespace

Value Conv1d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (filters < 1 || kernel < 1 || stride < 1 || dilation < 1 || groups < 1) {
    throw ShapeError("conv1d: filters, kernel, stride, dilation and groups must be 1 or more");
  }
  if (causal && padding == Padding::same) {
    throw ShapeError("conv1d: padding: expected \"valid\" where causal is true");
  }
  const Value& x = sequence(kType, inputs);
  const std::int64_t channels = x.shape[2];
  check_groups(kType, groups, channels, filters);
  ops::Conv2d conv{.window = {.stride_w = stride}, .groups = groups};
  conv.window.dilation_w = dilation;
  if (causal) conv.window.pad_left = dilation * (kernel - 1);
  if (padding == Padding::same) {
    std::tie(conv.window.pad_left, conv.window.pad_right) =
        same_padding(x.shape[1], kernel, stride, dilation);
  }
  const Value y =
      contract(graph, conv, as_row(graph, x), {filters, 1, kernel, channels / groups}, bias,
               activation, init, channels / groups * kernel, filters / groups * kernel);
  return as_sequence(graph, y);
}

Attributes Conv1d::attributes() const {
  Attributes a;
  a.set("filters", filters);
  a.set("kernel", kernel);
  a.set_unless("stride", stride, std::int64_t{1});
  write_padding(a, padding);
  a.set_unless("causal", causal, false);
  a.set_unless("dilation", dilation, std::int64_t{1});
  a.set_unless("groups", groups, std::int64_t{1});
  a.set_unless("bias", bias, true);
  a.set_unless("activation", activation, std::string());
  write_init(a, init);
  return a;
}

Conv1d Conv1d::from(const Attributes& a) {
  Fields f(kType, a);
  Conv1d layer{.filters = f.count("filters", 0)};
  layer.kernel = f.count("kernel", 3);
  layer.stride = f.count("stride", 1);
  layer.padding = f.padding();
  layer.causal = f.flag("causal", false);
  layer.dilation = f.count("dilation", 1);
  layer.groups = f.count("groups", 1);
  layer.bias = f.flag("bias", true);
  layer.activation = f.activation("activation", "");
  layer.init = f.init();
  f.done();
  return layer;
}

Value ConvTranspose2d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (filters < 1 || kernel < 1 || stride < 1 || groups < 1) {
    throw ShapeError("conv_transpose2d: filters, kernel, stride and groups must be 1 or more");
  }
  if (output_padding < 0 || output_padding >= stride ||
      (output_padding > 0 && padding == Padding::same)) {
    throw ShapeError(
        "conv_transpose2d: output_padding: expected 0, or with padding \"valid\" less than the "
        "stride, got " +
        std::to_string(output_padding));
  }
  const Value& x = image(kType, inputs);
  const std::int64_t channels = x.shape[3];
  check_groups(kType, groups, channels, filters);
  const auto extent = [&](std::int64_t p) {
    return padding == Padding::same ? p * stride : (p - 1) * stride + kernel + output_padding;
  };
  const Shape output{x.shape[0], extent(x.shape[1]), extent(x.shape[2]), filters};
  ops::Conv2d conv{.window = {.stride_h = stride, .stride_w = stride}, .groups = groups};
  if (padding == Padding::same) {
    ops::Window2d& w = conv.window;
    std::tie(w.pad_top, w.pad_bottom) = same_padding(output[1], kernel, stride, 1);
    std::tie(w.pad_left, w.pad_right) = same_padding(output[2], kernel, stride, 1);
  }
  const std::int64_t fan_in = channels / groups * kernel * kernel;
  const std::int64_t fan_out = filters / groups * kernel * kernel;
  const Value weight = graph.parameter("weight", {channels, kernel, kernel, filters / groups},
                                       resolved(init, activation), fan_in, fan_out);
  Op op = conv.backward_data(output, weight.shape);
  op.purpose = graph.purpose();
  Value y = graph.emit_one(std::move(op), {x, weight});
  if (bias) {
    const Value b = graph.parameter("bias", {filters}, Init::zeros, fan_in, fan_out);
    y = graph.emit_one(ops::Broadcast::add(y.shape, b.shape, graph.purpose()), {y, b});
  }
  return graph.activation(y, activation);
}

Attributes ConvTranspose2d::attributes() const {
  Attributes a;
  a.set("filters", filters);
  a.set("kernel", kernel);
  a.set_unless("stride", stride, std::int64_t{1});
  write_padding(a, padding);
  a.set_unless("output_padding", output_padding, std::int64_t{0});
  a.set_unless("groups", groups, std::int64_t{1});
  a.set_unless("bias", bias, true);
  a.set_unless("activation", activation, std::string());
  write_init(a, init);
  return a;
}

ConvTranspose2d ConvTranspose2d::from(const Attributes& a) {
  Fields f(kType, a);
  ConvTranspose2d layer{.filters = f.count("filters", 0)};
  layer.kernel = f.count("kernel", 3);
  layer.stride = f.count("stride", 1);
  layer.padding = f.padding();
  layer.output_padding = f.count("output_padding", 0, 0);
  layer.groups = f.count("groups", 1);
  layer.bias = f.flag("bias", true);
  layer.activation = f.activation("activation", "");
  layer.init = f.init();
  f.done();
  return layer;
}

Value MaxPool1d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  return build_pool1d<MaxPool1d, MaxPool2d>(*this, graph, inputs);
}

Attributes MaxPool1d::attributes() const { return pool1d_attributes(*this); }
MaxPool1d MaxPool1d::from(const Attributes& a) { return pool1d_from<MaxPool1d>(a); }

Value AvgPool1d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  return build_pool1d<AvgPool1d, AvgPool2d>(*this, graph, inputs);
}

Attributes AvgPool1d::attributes() const { return pool1d_attributes(*this); }
AvgPool1d AvgPool1d::from(const Attributes& a) { return pool1d_from<AvgPool1d>(a); }

Value GlobalMaxPool2d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = image(kType, inputs);
  const Value y = graph.emit_one(whole(x.shape).max_forward(x.shape, graph.purpose()), {x});
  return flat(graph, y);
}

GlobalMaxPool2d GlobalMaxPool2d::from(const Attributes& a) {
  Fields(kType, a).done();
  return {};
}

Value GlobalAvgPool2d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = image(kType, inputs);
  const Value y = graph.emit_one(whole(x.shape).avg_forward(x.shape, graph.purpose()), {x});
  return flat(graph, y);
}

GlobalAvgPool2d GlobalAvgPool2d::from(const Attributes& a) {
  Fields(kType, a).done();
  return {};
}

Value Upsample2d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (mode != "nearest" && mode != "bilinear") {
    throw ShapeError("upsample2d: mode: expected \"nearest\" or \"bilinear\", got \"" + mode +
                     "\"");
  }
  const Value& x = image(kType, inputs);
  const ops::Upsample2d upsample{.scale_h = scale_h > 0 ? scale_h : scale,
                                 .scale_w = scale_w > 0 ? scale_w : scale,
                                 .bilinear = mode == "bilinear"};
  return graph.emit_one(upsample.forward(x.shape, graph.purpose()), {x});
}

Attributes Upsample2d::attributes() const {
  Attributes a;
  a.set("scale", scale);
  a.set_unless("mode", mode, std::string("nearest"));
  a.set_unless("scale_h", scale_h, std::int64_t{0});
  a.set_unless("scale_w", scale_w, std::int64_t{0});
  return a;
}

Upsample2d Upsample2d::from(const Attributes& a) {
  Fields f(kType, a);
  Upsample2d layer{.scale = f.count("scale", 2)};
  layer.mode = f.text("mode", "nearest");
  layer.scale_h = f.count("scale_h", 0, 0);
  layer.scale_w = f.count("scale_w", 0, 0);
  f.done();
  return layer;
}

std::span<const LayerType> window_layers() {
  static constexpr LayerType kTypes[] = {
      layer_type<Conv1d>(),    layer_type<ConvTranspose2d>(), layer_type<MaxPool1d>(),
      layer_type<AvgPool1d>(), layer_type<GlobalMaxPool2d>(), layer_type<GlobalAvgPool2d>(),
      layer_type<Upsample2d>()};
  return kTypes;
}

}  // namespace soma
