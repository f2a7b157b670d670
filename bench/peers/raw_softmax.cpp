#include "peer_shim.hpp"
#include "raw.hpp"

namespace soma::bench {

std::optional<Measured> raw_softmax(const Case& c, double seconds) {
  const Op& op = c.ops.front();
  if (op.family() != "softmax/1" && op.family() != "log_softmax/1") return std::nullopt;
  const auto what =
      op.family() == "softmax/1" ? dnnl::algorithm::softmax_accurate : dnnl::algorithm::softmax_log;
  const Shape& shape = op.in(0);
  const auto x = layout({shape.elements() / shape.back(), shape.back()}, Tag::ab);
  const auto f = describe_softmax(what, x, 1);
  RawCall call;
  if (op.direction() == "fwd") {
    call.add<SoftmaxForward>(f, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, x}});
  } else {
    const auto b = describe_softmax_backward(f, what, x, 1);
    call.add<SoftmaxBackward>(b,
                              {{DNNL_ARG_DST, x}, {DNNL_ARG_DIFF_DST, x}, {DNNL_ARG_DIFF_SRC, x}});
  }
  return call.measure(seconds);
}

}  // namespace soma::bench
