#pragma once

#include "conv2d_taps.hpp"

namespace soma::common {

/// The convolution with taps that see nothing really left out. The fast kernels multiply such taps
/// by +0 instead, which has the same bits as long as the other operand is finite; these plain loops
/// serve the rest.

/// out[pixel, i] for all pixels of the view's grid times `batch`, i in [0, outputs): the sum over
/// (tap, channel) of what the view sees times weight[i * output_stride + tap * tap_stride + channel
/// * channel_stride], finished as `product` says.
struct SkippingWeight {
  const float* weight;
  std::int64_t output_stride, tap_stride, channel_stride;
};
void convolve_skipping(const Parallel& parallel, int threads, const TapView& view,
                       std::int64_t batch, const SkippingWeight& weight, std::int64_t outputs,
                       const Product& product);

/// grad_weight[k, tap, channel] for k in [0, outputs): the sum over the pixels that see something
/// of grad[pixel * grad_stride + k] times it. Dense [outputs, view.width()].
void weights_skipping(const Parallel& parallel, int threads, const TapView& view,
                      std::int64_t batch, const float* grad, std::int64_t grad_stride,
                      std::int64_t outputs, bool accumulate, float* grad_weight);

/// Whether n floats hold neither Inf nor NaN.
bool all_finite(const float* x, std::int64_t n);

}  // namespace soma::common
