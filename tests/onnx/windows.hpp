#pragma once

#include "soma/sdk/ops/window.hpp"
#include "translation.hpp"

namespace soma::onnx_tests {

/// The window of an ONNX convolution or pooling over one or two axes; one axis becomes the W of an
/// image of height 1.
struct Sliding {
  ops::Window2d window;
  std::int64_t kernel_h = 1, kernel_w = 1;
};

/// `kernel` and `spatial`: extents of the kernel and of the input. Throws NotHere for three axes.
Sliding sliding_of(const Node& node, const Dims& kernel, const Dims& spatial);

/// [N,C,T] or [N,C,H,W] as [N,H,W,C], and back to the rank of `like`.
Tensor as_image(const Tensor& x);
Tensor from_image(const Tensor& y, const Tensor& like);

}  // namespace soma::onnx_tests
