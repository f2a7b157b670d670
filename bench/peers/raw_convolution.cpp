#include "raw.hpp"
#include "soma/sdk/ops/conv2d.hpp"

namespace soma::bench {
namespace {

/// Images channels-last, or in the library's own layout.
enum class Images { nhwc, any };

Measured time_convolution(const Op& op, Images images, double seconds) {
  const auto conv = ops::Conv2d::from(op.attributes);
  const bool forward = op.direction() == "fwd", weights = op.direction() == "bwd_weights";
  const Shape& image = forward || weights ? op.in(0) : op.out(0);
  const Shape& weight = weights ? op.out(0) : op.in(1);
  const Shape& result = forward ? op.out(0) : weights ? op.in(1) : op.in(0);
  const auto described = [](const Shape& s, Tag tag) {
    return layout({s[0], s[3], s[1], s[2]}, tag);
  };
  const Tag tag = images == Images::nhwc ? Tag::nhwc : Tag::any;
  const onednn::Convolution c{.source = described(image, tag),
                              .weight = described(weight, Tag::any),
                              .destination = described(result, tag),
                              .strides = {conv.window.stride_h, conv.window.stride_w},
                              .dilation = {conv.window.dilation_h - 1, conv.window.dilation_w - 1},
                              .padding_low = {conv.window.pad_top, conv.window.pad_left},
                              .padding_high = {conv.window.pad_bottom, conv.window.pad_right}};
  const auto f =
      onednn::describe_forward(c, dnnl::prop_kind::forward_training, onednn::attributes());
  RawCall call;
  if (forward) {
    call.add<dnnl::convolution_forward>(f, {{DNNL_ARG_SRC, f.src_desc()},
                                            {DNNL_ARG_WEIGHTS, f.weights_desc()},
                                            {DNNL_ARG_DST, f.dst_desc()}});
  } else if (weights) {
    const auto d = onednn::describe_backward_weights(c, f, onednn::attributes());
    call.add<dnnl::convolution_backward_weights>(d,
                                                 {{DNNL_ARG_SRC, d.src_desc()},
                                                  {DNNL_ARG_DIFF_DST, d.diff_dst_desc()},
                                                  {DNNL_ARG_DIFF_WEIGHTS, d.diff_weights_desc()}});
  } else {
    const auto d = onednn::describe_backward_data(c, f, onednn::attributes());
    call.add<dnnl::convolution_backward_data>(d, {{DNNL_ARG_DIFF_DST, d.diff_dst_desc()},
                                                  {DNNL_ARG_WEIGHTS, d.weights_desc()},
                                                  {DNNL_ARG_DIFF_SRC, d.diff_src_desc()}});
  }
  return call.measure(seconds);
}

}  // namespace

std::optional<Measured> raw_convolution(const Case& c, double seconds) {
  const Op& op = c.ops.front();
  if (op.family() != "conv2d/1" || ops::Conv2d::from(op.attributes).groups != 1)
    return std::nullopt;
  return faster(time_convolution(op, Images::nhwc, seconds),
                time_convolution(op, Images::any, seconds));
}

}  // namespace soma::bench
