#include "conv2d_taps.hpp"

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

bool ConvSizes::pads() const {
  return window.pad_top > 0 || window.pad_bottom > 0 || window.pad_left > 0 || window.pad_right > 0;
}

TapView forward_taps(const ConvSizes& z, const float* input, std::int64_t group) {
  const ops::Window2d& v = z.window;
  TapView view;
  view.y = {z.p, z.h, z.r, v.stride_h, -v.pad_top, v.dilation_h, 1};
  view.x = {z.q, z.w, z.s, v.stride_w, -v.pad_left, v.dilation_w, 1};
  view.image = input + group * z.c_in_group();
  view.pixel_stride = z.c;
  view.channels = z.c_in_group();
  return view;
}

TapView data_taps(const ConvSizes& z, const float* grad_output, std::int64_t group) {
  const ops::Window2d& v = z.window;
  TapView view;
  view.y = {z.h, z.p, z.r, 1, v.pad_top, -v.dilation_h, v.stride_h};
  view.x = {z.w, z.q, z.s, 1, v.pad_left, -v.dilation_w, v.stride_w};
  view.image = grad_output + group * z.k_in_group();
  view.pixel_stride = z.k;
  view.channels = z.k_in_group();
  return view;
}

void TapView::copy_row(const Pixel& at, std::int64_t begin, std::int64_t count, float* to) const {
  if (count <= 0) return;
  const std::int64_t run = x.taps * channels;  // columns of one tap row
  std::int64_t ty = begin / run, in_run = begin % run;
  if (x.dilation == 1 && x.divisor == 1 && channels == pixel_stride) {
    // The taps of a tap row lie side by side in memory: one copy, with zeros at the image's sides.
    const std::int64_t left = at.x * x.step + x.offset;
    const std::int64_t seen_begin = std::max<std::int64_t>(0, -left) * channels;
    const std::int64_t seen_end = std::max(seen_begin, std::min(x.taps, x.size - left) * channels);
    for (; count > 0; ++ty, in_run = 0) {
      const std::int64_t part = std::min(count, run - in_run);
      const std::int64_t sy = y.source(at.y, ty);
      if (sy < 0) {
        zero_floats(to, part);
      } else {
        const std::int64_t low = std::clamp(seen_begin, in_run, in_run + part);
        const std::int64_t high = std::clamp(seen_end, in_run, in_run + part);
        zero_floats(to, low - in_run);
        copy_floats(row(at.batch, sy) + left * channels + low, to + (low - in_run), high - low);
        zero_floats(to + (high - in_run), in_run + part - high);
      }
      to += part;
      count -= part;
    }
    return;
  }
  std::int64_t tx = in_run / channels, channel = in_run % channels;
  for (; count > 0; ++ty, tx = 0) {
    const std::int64_t sy = y.source(at.y, ty);
    for (; count > 0 && tx < x.taps; ++tx, channel = 0) {
      const std::int64_t part = std::min(count, channels - channel);
      const std::int64_t sx = sy < 0 ? -1 : x.source(at.x, tx);
      if (sx < 0) {
        zero_floats(to, part);
      } else {
        copy_floats(row(at.batch, sy) + sx * pixel_stride + channel, to, part);
      }
      to += part;
      count -= part;
    }
  }
}

void TapView::copy_across(const Pixel& first, std::int64_t ty, std::int64_t tx, std::int64_t count,
                          float* to) const {
  const std::int64_t sy = y.source(first.y, ty);
  if (sy < 0) return zero_floats(to, count);
  const std::int64_t left = first.x + x.offset + tx * x.dilation;
  const std::int64_t low = std::clamp<std::int64_t>(-left, 0, count);
  const std::int64_t high = std::clamp<std::int64_t>(x.size - left, low, count);
  zero_floats(to, low);
  copy_floats(row(first.batch, sy) + left + low, to + low, high - low);
  zero_floats(to + high, count - high);
}

void TapRows::pack(std::int64_t m, int rows, std::int64_t k, std::int64_t kc, float* panel) const {
  TapView::Pixel at = view_.pixel(m);
  if (layout() == PanelLayout::rows) {
    for (int i = 0; i < rows; ++i, view_.advance(at)) {
      view_.copy_row(at, k, kc, panel + i * kRowStride);
    }
    return;
  }
  const int step = micro_kernels().column_stride;
  for (int done = 0; done < rows;) {
    const std::int64_t part = std::min<std::int64_t>(rows - done, view_.x.out - at.x);
    std::int64_t ty = k / view_.x.taps, tx = k % view_.x.taps;
    for (std::int64_t j = 0; j < kc; ++j) {
      view_.copy_across(at, ty, tx, part, panel + j * step + done);
      if (++tx == view_.x.taps) tx = 0, ++ty;
    }
    done += static_cast<int>(part);
    at.x += part - 1;
    view_.advance(at);
  }
}

void TapsOverPixels::pack(std::int64_t m, int rows, std::int64_t k, std::int64_t kc,
                          float* panel) const {
  for (int i = 0; i < rows; ++i) {
    const std::int64_t ty = (m + i) / view_.x.taps, tx = (m + i) % view_.x.taps;
    TapView::Pixel at = view_.pixel(k);
    for (std::int64_t done = 0; done < kc;) {
      const std::int64_t part = std::min(kc - done, view_.x.out - at.x);
      view_.copy_across(at, ty, tx, part, panel + i * kRowStride + done);
      done += part;
      at.x += part - 1;
      view_.advance(at);
    }
  }
}

void TapColumns::pack(std::int64_t n, int cols, std::int64_t k, std::int64_t kc,
                      float* panel) const {
  const int nr = micro_kernels().nr;
  TapView::Pixel at = view_.pixel(k);
  for (std::int64_t j = 0; j < kc; ++j, view_.advance(at)) {
    view_.copy_row(at, n, cols, panel + j * nr);
    zero_floats(panel + j * nr + cols, nr - cols);
  }
}

}  // namespace soma::common
