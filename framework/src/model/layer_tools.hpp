#pragma once

#include <cmath>
#include <cstdio>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <tuple>

#include "soma/error.hpp"
#include "soma/graph.hpp"
#include "soma/layers.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/window.hpp"

/// What the files that define layers share.
namespace soma {

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
  std::string text(const char* name, const std::string& fallback) {
    asked_.insert(name);
    return a_.text(name, fallback);
  }
  bool flag(const char* name, bool fallback) {
    asked_.insert(name);
    const std::int64_t n = a_.integer(name, fallback ? 1 : 0);
    if (n != 0 && n != 1) fail(std::string(name) + ": expected true or false");
    return n == 1;
  }
  /// A number in [least, most]; a whole number counts as one.
  double real(const char* name, double fallback, double least = -HUGE_VAL, double most = HUGE_VAL) {
    asked_.insert(name);
    double x = fallback;
    for (const auto& [key, value] : a_.entries()) {
      if (key != name) continue;
      const auto* whole = std::get_if<std::int64_t>(&value);
      x = whole != nullptr ? static_cast<double>(*whole) : a_.real(name, fallback);
    }
    if (!(x >= least && x <= most)) {
      char text[120];
      std::snprintf(text, sizeof text, "expected a number from %g to %g, got %g", least, most, x);
      fail(std::string(name) + ": " + text);
    }
    return x;
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

inline const Value& single(std::string_view type, std::span<const Value> inputs) {
  if (inputs.size() != 1) {
    throw ShapeError(std::string(type) + ": expected one input, got " +
                     std::to_string(inputs.size()));
  }
  return inputs[0];
}

inline const Value& image(std::string_view type, std::span<const Value> inputs) {
  const Value& x = single(type, inputs);
  if (x.shape.rank() != 4) {
    throw ShapeError(std::string(type) + ": expected an image [N,H,W,C], got " + x.shape.str());
  }
  return x;
}

/// The same for sequences.
inline const Value& sequence(std::string_view type, std::span<const Value> inputs) {
  const Value& x = single(type, inputs);
  if (x.shape.rank() != 3) {
    throw ShapeError(std::string(type) + ": expected a sequence [N,T,C], got " + x.shape.str());
  }
  return x;
}

/// The axis that a layer's field names: the batch is axis 0, negative ones count from the end.
/// Throws ShapeError for the batch and for axes that the shape does not have.
inline int sample_axis(std::string_view type, const Shape& shape, std::int64_t axis) {
  const std::int64_t from_front = axis < 0 ? shape.rank() + axis : axis;
  if (from_front < 1 || from_front >= shape.rank()) {
    throw ShapeError(std::string(type) + ": axis: expected one of " + shape.str() +
                     " but the batch, got " + std::to_string(axis));
  }
  return static_cast<int>(from_front);
}

inline Value flat(GraphBuilder& graph, const Value& x) {
  if (x.shape.rank() < 1) throw ShapeError("flatten: expected [N,...], got a scalar");
  return graph.reshape(x, {x.shape[0], x.shape.elements_from(1)});
}

/// The activation that a contraction computes on the way out, as its epilogue calls it: relu
/// always, the others when no backward follows; "" for one that stays an op of its own.
inline std::string fused_activation(const GraphBuilder& graph, const std::string& activation) {
  const ops::NamedActivation* row = ops::find_activation(activation);
  if (row == nullptr || !row->fusible()) return "";
  return row->name == "relu" || graph.purpose() == Purpose::infer ? std::string(row->name) : "";
}

inline Init resolved(const Init& init, const std::string& activation) {
  if (init != Init::automatic) return init;
  const ops::NamedActivation* row = ops::find_activation(activation);
  const bool saturating = row != nullptr ? row->saturates : ops::is_identity(activation);
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
  family.epilogue.bias = bias;
  family.epilogue.activation = fused_activation(graph, activation);
  const bool fused = !family.epilogue.activation.empty();
  const Value y = graph.emit(family.forward(x.shape, weight_shape, graph.purpose()), inputs)[0];
  return fused ? y : graph.activation(y, activation);
}

/// Padding of one axis that makes ceil(extent / stride) outputs; the odd element goes to the end.
inline std::pair<std::int64_t, std::int64_t> same_padding(std::int64_t extent, std::int64_t kernel,
                                                          std::int64_t stride,
                                                          std::int64_t dilation) {
  const std::int64_t outputs = (extent + stride - 1) / stride;
  const std::int64_t total =
      std::max<std::int64_t>(0, (outputs - 1) * stride + dilation * (kernel - 1) + 1 - extent);
  return {total / 2, total - total / 2};
}

/// The window of a layer with the fields stride_h, stride_w (0: `stride`), padding and pad_top,
/// pad_bottom, pad_left, pad_right (zeros around the image where the padding is `valid`).
template <class Spec>
ops::Window2d window_of(const Spec& layer, const Shape& image, std::int64_t kernel_h,
                        std::int64_t kernel_w, std::int64_t stride_h, std::int64_t stride_w,
                        std::int64_t dilation) {
  ops::Window2d w{.stride_h = layer.stride_h > 0 ? layer.stride_h : stride_h,
                  .stride_w = layer.stride_w > 0 ? layer.stride_w : stride_w,
                  .pad_top = layer.pad_top,
                  .pad_bottom = layer.pad_bottom,
                  .pad_left = layer.pad_left,
                  .pad_right = layer.pad_right};
  w.dilation_h = w.dilation_w = dilation;
  if (layer.padding == Padding::same) {
    if (w.pad_top != 0 || w.pad_bottom != 0 || w.pad_left != 0 || w.pad_right != 0) {
      throw ShapeError(std::string(Spec::kType) +
                       ": padding: expected \"valid\" where pad_top, pad_bottom, pad_left or "
                       "pad_right is given");
    }
    std::tie(w.pad_top, w.pad_bottom) = same_padding(image[1], kernel_h, w.stride_h, dilation);
    std::tie(w.pad_left, w.pad_right) = same_padding(image[2], kernel_w, w.stride_w, dilation);
  }
  return w;
}

/// Reads and writes the fields that window_of uses, but for `padding`.
template <class Spec>
void read_window(Fields& f, Spec& layer) {
  layer.stride_h = f.count("stride_h", 0, 0);
  layer.stride_w = f.count("stride_w", 0, 0);
  layer.pad_top = f.count("pad_top", 0, 0);
  layer.pad_bottom = f.count("pad_bottom", 0, 0);
  layer.pad_left = f.count("pad_left", 0, 0);
  layer.pad_right = f.count("pad_right", 0, 0);
}
template <class Spec>
void write_window(Attributes& a, const Spec& layer) {
  const std::int64_t none = 0;
  a.set_unless("stride_h", layer.stride_h, none);
  a.set_unless("stride_w", layer.stride_w, none);
  a.set_unless("pad_top", layer.pad_top, none);
  a.set_unless("pad_bottom", layer.pad_bottom, none);
  a.set_unless("pad_left", layer.pad_left, none);
  a.set_unless("pad_right", layer.pad_right, none);
}

inline void write_padding(Attributes& a, Padding padding) {
  if (padding == Padding::same) a.set("padding", std::string("same"));
}
inline void write_init(Attributes& a, Init init) {
  if (init != Init::automatic) a.set("init", name_of(init));
}

/// One layer type and what makes it from the fields of a model file.
struct LayerType {
  std::string_view type;
  std::unique_ptr<Layer> (*make)(const Attributes&);
};

template <class Spec>
constexpr LayerType layer_type() {
  return {Spec::kType, [](const Attributes& a) -> std::unique_ptr<Layer> {
            return std::make_unique<LayerOf<Spec>>(Spec::from(a));
          }};
}

// The layer types, in the file of the same name.
std::span<const LayerType> core_layers();
std::span<const LayerType> structure_layers();
std::span<const LayerType> window_layers();
std::span<const LayerType> normalization_layers();
std::span<const LayerType> recurrent_layers();
std::span<const LayerType> attention_layers();
std::span<const LayerType> latent_layers();

}  // namespace soma
