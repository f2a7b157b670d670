#pragma once

#include "conv2d_geometry.hpp"
#include "gemm.hpp"

namespace soma::common {

/// The convolution with taps that see nothing really left out. The fast kernels multiply such taps
/// by +0 instead, which has the same bits as long as the other operand is finite; these plain loops
/// serve the rest.

/// Where the weight of (output, tap, channel) lies.
struct WeightStrides {
  std::int64_t output, tap, channel;
};

/// out[pixel, i] for every output pixel and i in [0, outputs), finished as `product` says; forward
/// and bwd_data. `images` and `weight` are those of one group.
void convolve_skipping(const Parallel& parallel, int threads, const ImageView& view,
                       const float* images, const float* weight, const WeightStrides& strides,
                       std::int64_t outputs, const Product& product);

/// grad_weight[k, tap, channel] for k in [0, outputs), dense, from grad[pixel * grad_stride + k].
void weights_skipping(const Parallel& parallel, int threads, const ImageView& view,
                      const float* images, const float* grad, std::int64_t grad_stride,
                      std::int64_t outputs, bool accumulate, float* grad_weight);

}  // namespace soma::common
