#pragma once

#include "soma/layers/core.hpp"

namespace soma {

// Layers that slide a window over sequences [N,T,C] or images [N,H,W,C], beside those of core.hpp.

/// input [N,T,C] -> [N,P,filters]. Parameters weight [filters,1,kernel,C/groups], bias [filters].
/// With `causal`, which goes with padding `valid` and stride 1 or more, an output sees no input
/// after its own: all padding is before the sequence.
struct SOMA_API Conv1d {
  static constexpr std::string_view kType = "conv1d";
  std::int64_t filters = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  Padding padding = Padding::valid;
  bool causal = false;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  bool bias = true;
  std::string activation = "";
  Init init = Init::automatic;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Conv1d from(const Attributes& a);
};

/// The transposed convolution, input [N,P,Q,C] -> [N,H,W,filters]: what a Conv2d of these fields,
/// from `filters` to C channels, does to gradients. Parameters weight
/// [C,kernel,kernel,filters/groups], bias [filters]. `valid` gives H = (P-1)*stride + kernel +
/// output_padding, `same` P*stride; output_padding is less than the stride and 0 with `same`.
struct SOMA_API ConvTranspose2d {
  static constexpr std::string_view kType = "conv_transpose2d";
  std::int64_t filters = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  Padding padding = Padding::valid;
  std::int64_t output_padding = 0;
  std::int64_t groups = 1;
  bool bias = true;
  std::string activation = "";
  Init init = Init::automatic;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static ConvTranspose2d from(const Attributes& a);
};

/// input [N,T,C] -> [N,P,C], windows of `size`; stride 0 means size.
struct SOMA_API MaxPool1d {
  static constexpr std::string_view kType = "max_pool1d";
  std::int64_t size = 2;
  std::int64_t stride = 0;
  Padding padding = Padding::valid;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static MaxPool1d from(const Attributes& a);
};

/// The same with means over the elements inside the sequence.
struct SOMA_API AvgPool1d {
  static constexpr std::string_view kType = "avg_pool1d";
  std::int64_t size = 2;
  std::int64_t stride = 0;
  Padding padding = Padding::valid;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static AvgPool1d from(const Attributes& a);
};

/// input [N,H,W,C] -> [N,C]: the largest element of each channel, or the mean.
struct SOMA_API GlobalMaxPool2d {
  static constexpr std::string_view kType = "global_max_pool2d";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const { return {}; }
  static GlobalMaxPool2d from(const Attributes& a);
};

struct SOMA_API GlobalAvgPool2d {
  static constexpr std::string_view kType = "global_avg_pool2d";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const { return {}; }
  static GlobalAvgPool2d from(const Attributes& a);
};

/// input [N,H,W,C] -> [N,scale*H,scale*W,C]; mode "nearest" or "bilinear" (between the centres of
/// the pixels). scale_h and scale_w replace scale where they are not 0.
struct SOMA_API Upsample2d {
  static constexpr std::string_view kType = "upsample2d";
  std::int64_t scale = 2;
  std::string mode = "nearest";
  std::int64_t scale_h = 0, scale_w = 0;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Upsample2d from(const Attributes& a);
};

}  // namespace soma
