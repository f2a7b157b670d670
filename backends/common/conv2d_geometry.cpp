#include "conv2d_geometry.hpp"

#include <algorithm>

#include "copy.hpp"

namespace soma::common {

ConvSizes::ConvSizes(const Op& op) {
  const bool data = op.id == ops::Conv2d::kBackwardData;
  const bool weights = op.id == ops::Conv2d::kBackwardWeights;
  const Shape& input = data ? op.out(0) : op.in(0);
  const Shape& weight = weights ? op.out(0) : op.in(1);
  const Shape& output = data ? op.in(0) : weights ? op.in(1) : op.out(0);
  const auto conv = ops::Conv2d::from(op.attributes);
  n = input[0], h = input[1], w = input[2], c = input[3];
  k = weight[0], r = weight[1], s = weight[2];
  p = output[1], q = output[2];
  groups = conv.groups;
  window = conv.window;
}

AxisView AxisView::forward(std::int64_t outputs, std::int64_t inputs, std::int64_t taps,
                           std::int64_t stride, std::int64_t pad, std::int64_t dilation) {
  AxisView view;
  view.size = inputs;
  view.taps = taps;
  view.step = stride;
  Phase all{0, outputs, {}};
  for (std::int64_t t = 0; t < taps; ++t) all.taps.push_back({t, t * dilation - pad});
  view.phases.push_back(std::move(all));
  view.finish();
  return view;
}

AxisView AxisView::backward(std::int64_t inputs, std::int64_t outputs, std::int64_t taps,
                            std::int64_t stride, std::int64_t pad, std::int64_t dilation) {
  // Input h was seen by output p through tap t if h + pad - t * dilation = p * stride.
  AxisView view;
  view.size = outputs;
  view.taps = taps;
  view.out_step = stride;
  for (std::int64_t first = 0; first < std::min(stride, inputs); ++first) {
    Phase phase{first, (inputs - first + stride - 1) / stride, {}};
    for (std::int64_t t = 0; t < taps; ++t) {
      const std::int64_t at = first + pad - t * dilation;
      if (at % stride == 0) phase.taps.push_back({t, at / stride});
    }
    view.phases.push_back(std::move(phase));
  }
  view.finish();
  return view;
}

void AxisView::finish() {
  bool any = false;
  for (const Phase& phase : phases) {
    count = std::max(count, phase.count);
    for (const Tap& tap : phase.taps) {
      low = any ? std::min(low, tap.shift) : tap.shift;
      high = any ? std::max(high, tap.shift) : tap.shift;
      any = true;
    }
  }
}

ImageView ImageView::forward(const ConvSizes& z) {
  const ops::Window2d& v = z.window;
  ImageView view;
  view.y = AxisView::forward(z.p, z.h, z.r, v.stride_h, v.pad_top, v.dilation_h);
  view.x = AxisView::forward(z.q, z.w, z.s, v.stride_w, v.pad_left, v.dilation_w);
  view.batch = z.n;
  view.pixel_stride = z.c;
  view.channels = z.c_in_group();
  return view;
}

ImageView ImageView::backward(const ConvSizes& z) {
  const ops::Window2d& v = z.window;
  ImageView view;
  view.y = AxisView::backward(z.h, z.p, z.r, v.stride_h, v.pad_top, v.dilation_h);
  view.x = AxisView::backward(z.w, z.q, z.s, v.stride_w, v.pad_left, v.dilation_w);
  view.batch = z.n;
  view.pixel_stride = z.k;
  view.channels = z.k_in_group();
  return view;
}

SourceLayout ImageView::in_place() const {
  return {pixel_stride, x.size * pixel_stride, y.size * x.size * pixel_stride};
}

SourceLayout ImageView::copied(std::int64_t rows) const {
  const std::int64_t row = x.span(0, x.count) * channels;
  return {channels, row, y.span(0, rows) * row};
}

void ImageView::copy(const float* images, std::int64_t n, std::int64_t begin, std::int64_t end,
                     float* to) const {
  const std::int64_t width = x.span(0, x.count), row_floats = width * channels;
  // Columns [0, left) and [right, width) of a row do not exist.
  const std::int64_t left = std::clamp<std::int64_t>(-x.low, 0, width);
  const std::int64_t right = std::clamp(x.size - x.low, left, width);
  const std::int64_t y0 = begin * y.step + y.low, y1 = y0 + y.span(begin, end);
  for (std::int64_t at = y0; at < y1; ++at, to += row_floats) {
    if (at < 0 || at >= y.size) {
      zero_floats(to, row_floats);
      continue;
    }
    const float* row = images + ((n * y.size + at) * x.size + x.low) * pixel_stride;
    zero_floats(to, left * channels);
    if (channels == pixel_stride) {
      copy_floats(row + left * channels, to + left * channels, (right - left) * channels);
    } else {
      for (std::int64_t i = left; i < right; ++i) {
        copy_floats(row + i * pixel_stride, to + i * channels, channels);
      }
    }
    zero_floats(to + right * channels, (width - right) * channels);
  }
}

}  // namespace soma::common
