#pragma once

#include "soma/sdk/ops/window.hpp"

namespace soma::ops {

/// Op families max_pool2d/1 and avg_pool2d/1 over channels-last images.
/// Letters: N batch, C channels, H x W input, R x S window, P x Q output. Padding is smaller than
/// the (dilated) window, so that each window sees at least one element.
///
///   max_pool2d/1.fwd  (input [N,H,W,C]) -> output [N,P,Q,C], argmax int32 [N,P,Q,C] when training
///                     argmax is h*W + w of the first largest element in (r,s) order; the first NaN
///                     wins over everything
///   max_pool2d/1.bwd  (grad_output, argmax) -> grad_input, each grad added to its argmax in
///   ascending (p,q) order avg_pool2d/1.fwd  (input) -> output: sum in (r,s) order from +0, divided
///   by the count of taps: R*S with
///                     include_pad, else those inside the input
///   avg_pool2d/1.bwd  (grad_output) -> grad_input: sum over the windows that hold the element, in
///   ascending (p,q) order
///                     from +0, of grad_output / count
struct Pool2d {
  static constexpr const char* kMaxForward = "max_pool2d/1.fwd";
  static constexpr const char* kMaxBackward = "max_pool2d/1.bwd";
  static constexpr const char* kAvgForward = "avg_pool2d/1.fwd";
  static constexpr const char* kAvgBackward = "avg_pool2d/1.bwd";

  std::int64_t kernel_h = 2, kernel_w = 2;
  Window2d window{.stride_h = 2, .stride_w = 2};
  bool include_pad = false;  // average pooling only

  static Pool2d from(const Attributes& a) {
    return {a.integer("kernel_h", 1), a.integer("kernel_w", 1), Window2d::from(a),
            a.flag("include_pad")};
  }

  Shape output_shape(const Shape& input) const {
    if (input.rank() != 4) throw ShapeError("pool2d: expected input [N,H,W,C], got " + input.str());
    if (input[1] < 1 || input[2] < 1) {
      throw ShapeError("pool2d: expected an image with pixels, got " + input.str());
    }
    const auto [p, q] = window.output("pool2d", input[1], input[2], kernel_h, kernel_w);
    const std::int64_t reach_h = window.dilation_h * (kernel_h - 1) + 1;
    const std::int64_t reach_w = window.dilation_w * (kernel_w - 1) + 1;
    if (std::max(window.pad_top, window.pad_bottom) >= reach_h ||
        std::max(window.pad_left, window.pad_right) >= reach_w) {
      throw ShapeError("pool2d: padding must be smaller than the window of " +
                       std::to_string(reach_h) + "x" + std::to_string(reach_w));
    }
    if (window.dilation_h > 1 || window.dilation_w > 1) {
      throw ShapeError("pool2d: dilation is not part of version 1 of this op");
    }
    return {input[0], p, q, input[3]};
  }
  Op max_forward(const Shape& input, Purpose purpose) const {
    const Shape output = output_shape(input);
    Op op{kMaxForward, {{DType::f32, input}}, {{DType::f32, output}}, attributes(), purpose};
    if (purpose == Purpose::train) op.outputs.push_back({DType::i32, output});
    return op;
  }
  Op max_backward(const Shape& input) const {
    const Shape output = output_shape(input);
    return {kMaxBackward,
            {{DType::f32, output}, {DType::i32, output}},
            {{DType::f32, input}},
            attributes(),
            Purpose::train};
  }
  Op avg_forward(const Shape& input, Purpose purpose) const {
    Op op{kAvgForward,
          {{DType::f32, input}},
          {{DType::f32, output_shape(input)}},
          attributes(),
          purpose};
    op.attributes.set_unless("include_pad", include_pad, false);
    return op;
  }
  Op avg_backward(const Shape& input) const {
    Op op{kAvgBackward,
          {{DType::f32, output_shape(input)}},
          {{DType::f32, input}},
          attributes(),
          Purpose::train};
    op.attributes.set_unless("include_pad", include_pad, false);
    return op;
  }

 private:
  Attributes attributes() const {
    Attributes a;
    a.set("kernel_h", kernel_h);
    a.set("kernel_w", kernel_w);
    window.write(a);
    return a;
  }
};

}  // namespace soma::ops
