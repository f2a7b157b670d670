#pragma once

#include "dnnl_shim.hpp"
#include "soma/sdk/ops/conv2d.hpp"

namespace soma::onednn {

/// The operands of a conv2d op as oneDNN names them, over the same memory. Letters as in
/// soma/sdk/ops/conv2d.hpp; oneDNN's logical order is N, C, H, W whatever lies in memory.
struct ConvolutionShape {
  Dims input, weight, output;  // weight has a leading extent g when there are groups
  std::int64_t groups = 1;

  /// From the shapes [N,H,W,C], [K,R,S,C/g] and [N,P,Q,K].
  ConvolutionShape(const Shape& x, const Shape& w, const Shape& y, std::int64_t g)
      : input{x[0], x[3], x[1], x[2]}, output{y[0], y[3], y[1], y[2]}, groups(g) {
    weight = g == 1 ? Dims{w[0], w[3], w[1], w[2]} : Dims{g, w[0] / g, w[3], w[1], w[2]};
  }
  std::int64_t channels_out() const { return output[1]; }
  /// Multiplications and additions, padded taps counted.
  double work() const {
    double per_output = 2;
    for (std::size_t i = weight.size() - 3; i < weight.size(); ++i) {
      per_output *= static_cast<double>(weight[i]);
    }
    for (const auto dim : output) per_output *= static_cast<double>(dim);
    return per_output;
  }
  Layout plain_weight() const {
    using Tag = dnnl::memory::format_tag;
    return layout(weight, groups == 1 ? Tag::ohwi : Tag::gohwi);
  }
  std::int64_t inputs() const { return elements(input); }
  std::int64_t outputs() const { return elements(output); }
  /// Channels-last activations, weights in whatever layout suits oneDNN, no bias; all of `type`.
  Convolution convolution(const ops::Window2d& w, Type type = Type::f32) const {
    using Tag = dnnl::memory::format_tag;
    Convolution c;
    c.source = layout(input, Tag::nhwc, type);
    c.weight = layout(weight, Tag::any, type);
    c.destination = layout(output, Tag::nhwc, type);
    c.strides = {w.stride_h, w.stride_w};
    c.dilation = {w.dilation_h - 1, w.dilation_w - 1};
    c.padding_low = {w.pad_top, w.pad_left};
    c.padding_high = {w.pad_bottom, w.pad_right};
    return c;
  }

 private:
  static std::int64_t elements(const Dims& d) { return d[0] * d[1] * d[2] * d[3]; }
};

}  // namespace soma::onednn
