#pragma once

#include "soma/layer.hpp"

namespace soma {

enum class Padding { valid, same };

// Letters: N batch, H x W image, C channels. Each struct is a plain description; Model::add takes
// it. `activation` is "" (none), a name of GraphBuilder::activation or the name of an activation
// that a plugin brings. init `automatic` is xavier_uniform before no activation and one that is
// bounded on both sides (sigmoid, tanh, softsign, hard_sigmoid, step), he_normal before all others.
// Biases start at zero. Each has kType, build, attributes and from(Attributes), which throws
// ShapeError for a missing, unknown or impossible field.

/// input [N, ...] flattened to [N,K] -> [N,units]; with `last_axis` each position of [N,...,K] alone
/// -> [N,...,units]. Parameters weight [units,K], bias [units].
struct SOMA_API Dense {
  static constexpr std::string_view kType = "dense";
  std::int64_t units = 0;
  bool bias = true;
  std::string activation = "";
  Init init = Init::automatic;
  bool last_axis = false;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Dense from(const Attributes& a);
};

/// input [N,H,W,C] -> [N,P,Q,filters]. Parameters weight [filters,kernel,kernel,C/groups], bias
/// [filters]. `same` keeps ceil(H / stride), the odd pixel of padding at the bottom and right;
/// `valid` adds pad_top, pad_bottom, pad_left and pad_right zeros. kernel_h, kernel_w, stride_h and
/// stride_w replace kernel and stride where they are not 0; the weight is [filters,R,S,C/groups].
struct SOMA_API Conv2d {
  static constexpr std::string_view kType = "conv2d";
  std::int64_t filters = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  Padding padding = Padding::valid;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  std::string activation = "";
  Init init = Init::automatic;
  std::int64_t kernel_h = 0, kernel_w = 0;
  std::int64_t stride_h = 0, stride_w = 0;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Conv2d from(const Attributes& a);
};

/// input [N,H,W,C] -> [N,P,Q,C], windows of size x size; stride 0 means size. size_h, size_w,
/// stride_h and stride_w replace size and stride where they are not 0; padding as in Conv2d, less
/// than the window. With `ceil`, P and Q are rounded up where the last window still begins inside
/// the padded image: pixels that would be left over get a smaller window.
struct SOMA_API MaxPool2d {
  static constexpr std::string_view kType = "max_pool2d";
  std::int64_t size = 2;
  std::int64_t stride = 0;
  Padding padding = Padding::valid;
  std::int64_t size_h = 0, size_w = 0;
  std::int64_t stride_h = 0, stride_w = 0;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  bool ceil = false;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static MaxPool2d from(const Attributes& a);
};

/// The same with means; include_pad counts the padding among what the sum is divided by, and cannot
/// go with `ceil`.
struct SOMA_API AvgPool2d {
  static constexpr std::string_view kType = "avg_pool2d";
  std::int64_t size = 2;
  std::int64_t stride = 0;
  Padding padding = Padding::valid;
  bool include_pad = false;
  std::int64_t size_h = 0, size_w = 0;
  std::int64_t stride_h = 0, stride_w = 0;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  bool ceil = false;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static AvgPool2d from(const Attributes& a);
};

/// input [N, ...] -> [N,K]; no computation.
struct SOMA_API Flatten {
  static constexpr std::string_view kType = "flatten";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const { return {}; }
  static Flatten from(const Attributes& a);
};

/// Applies `function` element by element.
struct SOMA_API Activation {
  static constexpr std::string_view kType = "activation";
  std::string function = "relu";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Activation from(const Attributes& a);
};

/// Probabilities over the last axis: input [...,C] -> [...,C], e^x / sum(e^x).
struct SOMA_API Softmax {
  static constexpr std::string_view kType = "softmax";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const { return {}; }
  static Softmax from(const Attributes& a);
};

/// Logarithms of the probabilities over the last axis: input [...,C] -> [...,C],
/// x - log(sum(e^x)).
struct SOMA_API LogSoftmax {
  static constexpr std::string_view kType = "log_softmax";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const { return {}; }
  static LogSoftmax from(const Attributes& a);
};

/// Sum of two or more inputs of one shape: the end of a skip connection.
struct SOMA_API Add {
  static constexpr std::string_view kType = "add";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const { return {}; }
  static Add from(const Attributes& a);
};

}  // namespace soma
