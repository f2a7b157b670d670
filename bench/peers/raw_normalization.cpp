#include "peer_shim.hpp"
#include "raw.hpp"

namespace soma::bench {
namespace {

template <class Forward, class Backward>
Measured time_normalization(const Op& op, const dnnl::memory::desc& x,
                            const dnnl::memory::desc& channels, double seconds) {
  const auto epsilon = static_cast<float>(op.attributes.real("epsilon", 1e-5));
  const auto f = describe_normalization<Forward>(x, epsilon);
  RawCall call;
  if (op.direction() == "fwd") {
    call.add<Forward>(f, {{DNNL_ARG_SRC, x},
                          {DNNL_ARG_SCALE, channels},
                          {DNNL_ARG_SHIFT, channels},
                          {DNNL_ARG_MEAN, f.mean_desc()},
                          {DNNL_ARG_VARIANCE, f.variance_desc()},
                          {DNNL_ARG_DST, x}});
  } else {
    const auto b = describe_normalization_backward<Backward>(f, x, epsilon);
    call.add<Backward>(b, {{DNNL_ARG_SRC, x},
                           {DNNL_ARG_SCALE, channels},
                           {DNNL_ARG_SHIFT, channels},
                           {DNNL_ARG_MEAN, f.mean_desc()},
                           {DNNL_ARG_VARIANCE, f.variance_desc()},
                           {DNNL_ARG_DIFF_DST, x},
                           {DNNL_ARG_DIFF_SRC, x},
                           {DNNL_ARG_DIFF_SCALE, channels},
                           {DNNL_ARG_DIFF_SHIFT, channels}});
  }
  return call.measure(seconds);
}

}  // namespace

std::optional<Measured> raw_normalization(const Case& c, double seconds) {
  const Op& op = c.ops.front();
  const Shape& shape = op.in(0);
  const auto channels = layout({shape.back()}, Tag::a);
  if (op.purpose != Purpose::train) return std::nullopt;
  if (op.family() == "layer_norm/1") {
    const auto rows = layout({shape.elements() / shape.back(), shape.back()}, Tag::ab);
    return time_normalization<dnnl::layer_normalization_forward,
                              dnnl::layer_normalization_backward>(op, rows, channels, seconds);
  }
  if (op.family() == "batch_norm/1") {
    const auto image = layout({1, shape.back(), shape.elements() / shape.back(), 1}, Tag::nhwc);
    return time_normalization<dnnl::batch_normalization_forward,
                              dnnl::batch_normalization_backward>(op, image, channels, seconds);
  }
  return std::nullopt;
}

}  // namespace soma::bench
