#include "soma/layers.hpp"

#include <set>

#include "soma/graph.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "soma/sdk/ops/pool2d.hpp"

namespace soma {
namespace {

/// Reads the fields of a layer and insists that each given one was asked for.
class Fields {
 public:
  Fields(std::string_view type, const Attributes& a) : type_(type), a_(a) {}

  std::int64_t count(const char* name, std::int64_t fallback, std::int64_t least = 1) {
    asked_.insert(name);
    const std::int64_t n = a_.integer(name, fallback);
    if (n < least) {
      fail(std::string(name) + ": expected a whole number of " + std::to_string(least) +
           " or more, got " + (n == fallback && !has(name) ? "none" : std::to_string(n)));
    }
    return n;
  }
  bool flag(const char* name, bool fallback) {
    asked_.insert(name);
    const std::int64_t n = a_.integer(name, fallback ? 1 : 0);
    if (n != 0 && n != 1) fail(std::string(name) + ": expected true or false");
    return n == 1;
  }
  std::string activation(const char* name, const std::string& fallback) {
    asked_.insert(name);
    const std::string function = a_.text(name, fallback);
    if (!GraphBuilder::knows_activation(function)) {
      fail(std::string(name) + ": unknown activation '" + function + "'");
    }
    return function;
  }
  Padding padding() {
    asked_.insert("padding");
    const std::string text = a_.text("padding", "valid");
    if (text != "valid" && text != "same") {
      fail("padding: expected \"valid\" or \"same\", got \"" + text + "\"");
    }
    return text == "same" ? Padding::same : Padding::valid;
  }
  Init init() {
    asked_.insert("init");
    return init_from_name(a_.text("init", "auto"));
  }
  /// Call last: refuses fields that nobody asked for.
  void done() {
    for (const auto& [name, value] : a_.entries()) {
      if (asked_.contains(name)) continue;
      std::string known;
      for (const auto& k : asked_) known += (known.empty() ? "" : ", ") + k;
      fail("unknown field '" + name + "'; known are " + (known.empty() ? "none" : known));
    }
  }

 private:
  bool has(const std::string& name) const {
    for (const auto& [key, value] : a_.entries()) {
      if (key == name) return true;
    }
    return false;
  }
  [[noreturn]] void fail(const std::string& sentence) const {
    throw ShapeError(type_ + ": " + sentence);
  }

  std::string type_;
  const Attributes& a_;
  std::set<std::string> asked_;
};

const Value& single(std::string_view type, std::span<const Value> inputs) {
  if (inputs.size() != 1) {
    throw ShapeError(std::string(type) + ": expected one input, got " +
                     std::to_string(inputs.size()));
  }
  return inputs[0];
}

const Value& image(std::string_view type, std::span<const Value> inputs) {
  const Value& x = single(type, inputs);
  if (x.shape.rank() != 4) {
    throw ShapeError(std::string(type) + ": expected an image [N,H,W,C], got " + x.shape.str());
  }
  return x;
}

Value flat(GraphBuilder& graph, const Value& x) {
  if (x.shape.rank() < 1) throw ShapeError("flatten: expected [N,...], got a scalar");
  return graph.reshape(x, {x.shape[0], x.shape.elements_from(1)});
}

/// A contraction may compute its activation on the way out: relu always, the others when no
/// backward follows.
bool fusible(const GraphBuilder& graph, const std::string& activation) {
  return activation == "relu" ||
         (graph.purpose() == Purpose::infer && (activation == "sigmoid" || activation == "tanh"));
}

Init resolved(Init init, const std::string& activation) {
  if (init != Init::automatic) return init;
  const bool saturating = activation.empty() || activation == "sigmoid" || activation == "tanh";
  return saturating ? Init::xavier_uniform : Init::he_normal;
}

/// Builds a contraction of family `family` over parameters weight and bias, then its activation.
template <class Family>
Value contract(GraphBuilder& graph, Family family, const Value& x, const Shape& weight_shape,
               bool bias, const std::string& activation, Init init, std::int64_t fan_in,
               std::int64_t fan_out) {
  const Value weight =
      graph.parameter("weight", weight_shape, resolved(init, activation), fan_in, fan_out);
  std::vector<Value> inputs = {x, weight};
  if (bias)
    inputs.push_back(graph.parameter("bias", {weight_shape[0]}, Init::zeros, fan_in, fan_out));
  const bool fused = fusible(graph, activation);
  family.epilogue.bias = bias;
  if (fused) family.epilogue.activation = activation;
  const Value y = graph.emit(family.forward(x.shape, weight_shape, graph.purpose()), inputs)[0];
  return fused ? y : graph.activation(y, activation);
}

/// Padding of one axis that makes ceil(extent / stride) outputs; the odd element goes to the end.
std::pair<std::int64_t, std::int64_t> same_padding(std::int64_t extent, std::int64_t kernel,
                                                   std::int64_t stride, std::int64_t dilation) {
  const std::int64_t outputs = (extent + stride - 1) / stride;
  const std::int64_t total =
      std::max<std::int64_t>(0, (outputs - 1) * stride + dilation * (kernel - 1) + 1 - extent);
  return {total / 2, total - total / 2};
}

ops::Window2d window_of(const Shape& image, std::int64_t kernel, std::int64_t stride,
                        std::int64_t dilation, Padding padding) {
  ops::Window2d w{.stride_h = stride, .stride_w = stride};
  w.dilation_h = w.dilation_w = dilation;
  if (padding == Padding::same) {
    std::tie(w.pad_top, w.pad_bottom) = same_padding(image[1], kernel, stride, dilation);
    std::tie(w.pad_left, w.pad_right) = same_padding(image[2], kernel, stride, dilation);
  }
  return w;
}

void write_padding(Attributes& a, Padding padding) {
  if (padding == Padding::same) a.set("padding", std::string("same"));
}
void write_init(Attributes& a, Init init) {
  if (init != Init::automatic) a.set("init", std::string(name_of(init)));
}

template <class Pool>
ops::Pool2d pool_of(const Pool& layer, const Shape& image) {
  const std::int64_t stride = layer.stride > 0 ? layer.stride : layer.size;
  return {.kernel_h = layer.size,
          .kernel_w = layer.size,
          .window = window_of(image, layer.size, stride, 1, layer.padding)};
}

template <class Pool>
Attributes pool_attributes(const Pool& layer) {
  Attributes a;
  a.set("size", layer.size);
  a.set_unless("stride", layer.stride, std::int64_t{0});
  write_padding(a, layer.padding);
  return a;
}

}  // namespace

Layer::~Layer() = default;

Value Dense::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  if (units < 1)
    throw ShapeError("dense: units: expected a whole number of 1 or more, got " +
                     std::to_string(units));
  const Value x = flat(graph, single(kType, inputs));
  return contract(graph, ops::Linear{}, x, {units, x.shape[1]}, bias, activation, init, x.shape[1],
                  units);
}

Attributes Dense::attributes() const {
  Attributes a;
  a.set("units", units);
  a.set_unless("bias", bias, true);
  a.set_unless("activation", activation, std::string());
  write_init(a, init);
  return a;
}

Dense Dense::from(const Attributes& a) {
  Fields f(kType, a);
  Dense layer{.units = f.count("units", 0)};
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
  ops::Conv2d conv;
  conv.window = window_of(x.shape, kernel, stride, dilation, padding);
  conv.groups = groups;
  const std::int64_t taps = kernel * kernel;
  return contract(graph, conv, x, {filters, kernel, kernel, channels / groups}, bias, activation,
                  init, channels / groups * taps, filters / groups * taps);
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
  MaxPool2d layer{.size = f.count("size", 2)};
  layer.stride = f.count("stride", 0, 0);
  layer.padding = f.padding();
  f.done();
  return layer;
}

Value AvgPool2d::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const Value& x = image(kType, inputs);
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
  AvgPool2d layer{.size = f.count("size", 2)};
  layer.stride = f.count("stride", 0, 0);
  layer.padding = f.padding();
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

namespace {

struct LayerType {
  std::string_view type;
  std::unique_ptr<Layer> (*make)(const Attributes&);
};

template <class Spec>
constexpr LayerType entry() {
  return {Spec::kType, [](const Attributes& a) -> std::unique_ptr<Layer> {
            return std::make_unique<LayerOf<Spec>>(Spec::from(a));
          }};
}

constexpr LayerType kLayerTypes[] = {entry<Dense>(),     entry<Conv2d>(),  entry<MaxPool2d>(),
                                     entry<AvgPool2d>(), entry<Flatten>(), entry<Activation>(),
                                     entry<Add>()};

}  // namespace

std::unique_ptr<Layer> make_layer(std::string_view type, const Attributes& fields) {
  for (const LayerType& known : kLayerTypes) {
    if (known.type == type) return known.make(fields);
  }
  std::string list;
  for (const std::string& t : layer_types()) list += (list.empty() ? "" : ", ") + t;
  throw ShapeError("type: unknown layer type '" + std::string(type) + "'; known are " + list);
}

std::vector<std::string> layer_types() {
  std::vector<std::string> types;
  for (const LayerType& known : kLayerTypes) types.emplace_back(known.type);
  return types;
}

}  // namespace soma
