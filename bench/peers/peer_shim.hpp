#pragma once

#include "dnnl_shim.hpp"

/// Primitives that no backend uses, behind one face for oneDNN 2.x and 3.x. They throw dnnl::error
/// where the library has no implementation.
namespace soma::bench {

using onednn::engine;
using onednn::Layout;

/// Makes the descriptor of a primitive. `x` are the arguments between the engine (3.x: first) and
/// the hint and attributes.
#if DNNL_VERSION_MAJOR >= 3
template <class P, class... X>
typename P::primitive_desc describe(const X&... x) {
  return {engine(), x..., onednn::attributes()};
}
template <class P, class Hint, class... X>
typename P::primitive_desc describe_backward(const Hint& hint, const X&... x) {
  return {engine(), x..., hint, onednn::attributes()};
}
#else
template <class P, class... X>
typename P::primitive_desc describe(const X&... x) {
  return {typename P::desc(x...), onednn::attributes(), engine()};
}
template <class P, class Hint, class... X>
typename P::primitive_desc describe_backward(const Hint& hint, const X&... x) {
  return {typename P::desc(x...), onednn::attributes(), engine(), hint};
}
#endif

/// An element-wise function with its parameters.
struct Eltwise {
  dnnl::algorithm what = dnnl::algorithm::undef;
  float alpha = 0, beta = 0;
};

constexpr auto kForward = dnnl::prop_kind::forward_training;
constexpr auto kBackward = dnnl::prop_kind::backward;
inline const auto kScaleAndShift =
    dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;

// In 3.x these name source and destination apart, where 2.x has one "data".
#if DNNL_VERSION_MAJOR >= 3
using SoftmaxForward = dnnl::softmax_forward;
using SoftmaxBackward = dnnl::softmax_backward;
inline auto describe_eltwise(const Eltwise& f, const Layout& x) {
  return describe<dnnl::eltwise_forward>(kForward, f.what, x, x, f.alpha, f.beta);
}
inline auto describe_eltwise_backward(const dnnl::eltwise_forward::primitive_desc& forward,
                                      const Eltwise& f, const Layout& x) {
  return describe_backward<dnnl::eltwise_backward>(forward, f.what, x, x, x, f.alpha, f.beta);
}
/// `Forward` is batch_normalization_forward or layer_normalization_forward, and so below.
template <class Forward>
auto describe_normalization(const Layout& x, float epsilon) {
  return describe<Forward>(kForward, x, x, epsilon, kScaleAndShift);
}
template <class Backward, class Hint>
auto describe_normalization_backward(const Hint& forward, const Layout& x, float epsilon) {
  return describe_backward<Backward>(forward, kBackward, x, x, x, epsilon, kScaleAndShift);
}
#else
using SoftmaxForward = dnnl::softmax_v2_forward;
using SoftmaxBackward = dnnl::softmax_v2_backward;
inline auto describe_eltwise(const Eltwise& f, const Layout& x) {
  return describe<dnnl::eltwise_forward>(kForward, f.what, x, f.alpha, f.beta);
}
inline auto describe_eltwise_backward(const dnnl::eltwise_forward::primitive_desc& forward,
                                      const Eltwise& f, const Layout& x) {
  return describe_backward<dnnl::eltwise_backward>(forward, f.what, x, x, f.alpha, f.beta);
}
template <class Forward>
auto describe_normalization(const Layout& x, float epsilon) {
  return describe<Forward>(kForward, x, epsilon, kScaleAndShift);
}
template <class Backward, class Hint>
auto describe_normalization_backward(const Hint& forward, const Layout& x, float epsilon) {
  return describe_backward<Backward>(forward, kBackward, x, x, epsilon, kScaleAndShift);
}
#endif

inline auto describe_softmax(dnnl::algorithm what, const Layout& x, int axis) {
  return describe<SoftmaxForward>(kForward, what, x, x, axis);
}
inline auto describe_softmax_backward(const SoftmaxForward::primitive_desc& forward,
                                      dnnl::algorithm what, const Layout& x, int axis) {
  return describe_backward<SoftmaxBackward>(forward, what, x, x, x, axis);
}

/// A window as pools take it.
struct PoolWindow {
  dnnl::algorithm what;
  Layout source, destination;
  onednn::Dims strides, kernel, padding_low, padding_high;
};
inline auto describe_pool(const PoolWindow& p) {
#if DNNL_VERSION_MAJOR >= 3
  const onednn::Dims gaps(p.kernel.size(), 0);
  return describe<dnnl::pooling_forward>(kForward, p.what, p.source, p.destination, p.strides,
                                         p.kernel, gaps, p.padding_low, p.padding_high);
#else
  return describe<dnnl::pooling_forward>(kForward, p.what, p.source, p.destination, p.strides,
                                         p.kernel, p.padding_low, p.padding_high);
#endif
}
inline auto describe_pool_backward(const dnnl::pooling_forward::primitive_desc& forward,
                                   const PoolWindow& p) {
#if DNNL_VERSION_MAJOR >= 3
  const onednn::Dims gaps(p.kernel.size(), 0);
  return describe_backward<dnnl::pooling_backward>(forward, p.what, p.source, p.destination,
                                                   p.strides, p.kernel, gaps, p.padding_low,
                                                   p.padding_high);
#else
  return describe_backward<dnnl::pooling_backward>(
      forward, p.what, p.source, p.destination, p.strides, p.kernel, p.padding_low, p.padding_high);
#endif
}

}  // namespace soma::bench
