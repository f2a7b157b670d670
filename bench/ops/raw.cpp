// oneDNN called as its documentation shows, with the layouts it asks for: what a backend can at
// best reach.
#include <omp.h>

#include <unordered_map>

#include "cases.hpp"
#include "dnnl_shim.hpp"
#include "soma/philox.hpp"
#include "soma/sdk/ops/conv2d.hpp"

namespace soma::bench {
namespace {

using Tag = dnnl::memory::format_tag;

/// A primitive with memory for all its arguments.
class Call {
 public:
  template <class Primitive, class Descriptor>
  Call(const Primitive& primitive, const Descriptor& descriptor) : primitive_(primitive) {
    argument(DNNL_ARG_SCRATCHPAD, descriptor.scratchpad_desc());
  }
  Call& argument(int which, const dnnl::memory::desc& desc) {
    dnnl::memory memory(desc, onednn::engine());
    auto* values = static_cast<float*>(memory.get_data_handle());
    const PhiloxStream stream(1, std::to_string(which));
    for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i) {
      values[i] = 2 * stream.uniform(0, static_cast<std::uint32_t>(i)) - 1;
    }
    arguments_.emplace(which, memory);
    return *this;
  }
  Timing time(double seconds) {
    return bench::time(seconds, [&] {
      primitive_.execute(stream_, arguments_);
      stream_.wait();
    });
  }

 private:
  dnnl::primitive primitive_;
  dnnl::stream stream_{onednn::engine()};
  std::unordered_map<int, dnnl::memory> arguments_;
};

Timing time_product(const dnnl::memory::desc& left, const dnnl::memory::desc& right,
                    const dnnl::memory::desc& product, double seconds) {
  const auto d = onednn::describe_matmul(left, right, nullptr, product, onednn::attributes());
  return Call(dnnl::matmul(d), d)
      .argument(DNNL_ARG_SRC, d.src_desc())
      .argument(DNNL_ARG_WEIGHTS, d.weights_desc())
      .argument(DNNL_ARG_DST, d.dst_desc())
      .time(seconds);
}

/// Linear layers as plain matrix products; weights in whatever layout the library likes.
Timing time_linear(const Op& op, double seconds) {
  using onednn::layout;
  const Shape& a = op.in(0);
  const Shape& b = op.in(1);
  const Shape& c = op.out(0);
  if (op.direction() == "fwd") {
    return time_product(layout({a[0], a[1]}, Tag::ab), layout({a[1], b[0]}, Tag::any),
                        layout({c[0], c[1]}, Tag::ab), seconds);
  }
  if (op.direction() == "bwd_data") {
    return time_product(layout({a[0], a[1]}, Tag::ab), layout({b[0], b[1]}, Tag::any),
                        layout({c[0], c[1]}, Tag::ab), seconds);
  }
  return time_product(layout({b[1], b[0]}, Tag::ba), layout({a[0], a[1]}, Tag::ab),
                      layout({c[0], c[1]}, Tag::ab), seconds);
}

Timing time_convolution(const Op& op, bool plain, double seconds) {
  using onednn::layout;
  const auto conv = ops::Conv2d::from(op.attributes);
  const bool forward = op.direction() == "fwd", weights = op.direction() == "bwd_weights";
  const Shape& image = forward || weights ? op.in(0) : op.out(0);
  const Shape& weight = weights ? op.out(0) : op.in(1);
  const Shape& result = forward ? op.out(0) : weights ? op.in(1) : op.in(0);
  const auto nhwc = [](const Shape& s) { return layout({s[0], s[3], s[1], s[2]}, Tag::nhwc); };
  const auto any = [](const Shape& s) { return layout({s[0], s[3], s[1], s[2]}, Tag::any); };
  const onednn::Convolution c{.source = plain ? nhwc(image) : any(image),
                              .weight = any(weight),
                              .destination = plain ? nhwc(result) : any(result),
                              .strides = {conv.window.stride_h, conv.window.stride_w},
                              .dilation = {conv.window.dilation_h - 1, conv.window.dilation_w - 1},
                              .padding_low = {conv.window.pad_top, conv.window.pad_left},
                              .padding_high = {conv.window.pad_bottom, conv.window.pad_right}};
  const auto f =
      onednn::describe_forward(c, dnnl::prop_kind::forward_training, onednn::attributes());
  if (forward) {
    return Call(dnnl::convolution_forward(f), f)
        .argument(DNNL_ARG_SRC, f.src_desc())
        .argument(DNNL_ARG_WEIGHTS, f.weights_desc())
        .argument(DNNL_ARG_DST, f.dst_desc())
        .time(seconds);
  }
  if (weights) {
    const auto d = onednn::describe_backward_weights(c, f, onednn::attributes());
    return Call(dnnl::convolution_backward_weights(d), d)
        .argument(DNNL_ARG_SRC, d.src_desc())
        .argument(DNNL_ARG_DIFF_DST, d.diff_dst_desc())
        .argument(DNNL_ARG_DIFF_WEIGHTS, d.diff_weights_desc())
        .time(seconds);
  }
  const auto d = onednn::describe_backward_data(c, f, onednn::attributes());
  return Call(dnnl::convolution_backward_data(d), d)
      .argument(DNNL_ARG_DIFF_DST, d.diff_dst_desc())
      .argument(DNNL_ARG_WEIGHTS, d.weights_desc())
      .argument(DNNL_ARG_DIFF_SRC, d.diff_src_desc())
      .time(seconds);
}

}  // namespace

Timing time_raw(const Case& c, int threads, double seconds) {
  omp_set_num_threads(threads);
  const std::string_view family = c.op.family();
  if (family == "conv2d/1") {
    // Images channels-last or in the library's own layout, whichever is faster.
    const Timing plain = time_convolution(c.op, true, seconds),
                 own = time_convolution(c.op, false, seconds);
    return plain.median < own.median ? plain : own;
  }
  if (family == "linear/1") return time_linear(c.op, seconds);
  const std::int64_t n = c.op.in(0)[1];
  // Plain operands, or the right one in the library's own layout, whichever is faster.
  const auto square = onednn::layout({n, n}, Tag::ab), free = onednn::layout({n, n}, Tag::any);
  const Timing plain = time_product(square, square, square, seconds);
  const Timing own = time_product(square, free, square, seconds);
  return plain.median < own.median ? plain : own;
}

}  // namespace soma::bench
