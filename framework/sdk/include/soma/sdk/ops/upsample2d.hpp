#pragma once

#include <vector>

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family upsample2d/1: an image enlarged by whole factors. Letters: N batch, H x W image, C
/// channels, P = scale_h * H, Q = scale_w * W.
///
///   fwd  (x [N,H,W,C]) -> y [N,P,Q,C]
///        nearest   y[p,q] = x[p / scale_h, q / scale_w], rounded down
///        bilinear  sampled at h = (p + 1/2) / scale_h - 1/2, moved into [0, H-1], w alike:
///                  row(h) = fma(right, x[h,w+1], left * x[h,w]) and
///                  y = fma(lower, row(h+1), upper * row(h)), where right = the fraction of w and
///                  left = 1 - right, each the quotient of two whole numbers rounded once; a
///                  neighbour of weight 0 does not take part: row(h) = x[h,w], y = row(h)
///   bwd  (grad_y) -> grad_x: for every element the taps (p,q) that read it, ascending:
///        acc = fma(weight_h * weight_w, grad_y[p,q], acc) from +0, the product rounded
///
/// Attributes: scale_h, scale_w (default 1), bilinear (default 0: nearest).
/// Source: ONNX Resize, coordinate_transformation_mode half_pixel.
struct Upsample2d {
  static constexpr const char* kForward = "upsample2d/1.fwd";
  static constexpr const char* kBackward = "upsample2d/1.bwd";

  std::int64_t scale_h = 2, scale_w = 2;
  bool bilinear = false;

  static Upsample2d from(const Attributes& a) {
    return {a.integer("scale_h", 1), a.integer("scale_w", 1), a.flag("bilinear")};
  }

  /// What one output row (or column) reads: `first` with weight 1 - fraction and, unless the
  /// fraction is 0, first + 1 with weight `fraction`; the fraction is numerator / (2 scale).
  struct Taps {
    std::int64_t first = 0, numerator = 0, denominator = 1;
    bool two() const { return numerator != 0; }
    template <class T>
    T weight(int tap) const {  // of first, first + 1
      return static_cast<T>(tap == 0 ? denominator - numerator : numerator) /
             static_cast<T>(denominator);
    }
  };
  /// The taps of output index p along an axis of `extent` elements.
  static Taps taps(std::int64_t p, std::int64_t extent, std::int64_t scale, bool bilinear) {
    if (!bilinear) return {p / scale, 0, 1};
    const std::int64_t at = 2 * p + 1 - scale;  // 2 scale times the position
    if (at <= 0) return {0, 0, 1};
    if (at >= 2 * scale * (extent - 1)) return {extent - 1, 0, 1};
    return {at / (2 * scale), at % (2 * scale), 2 * scale};
  }
  static std::vector<Taps> all_taps(std::int64_t extent, std::int64_t scale, bool bilinear) {
    std::vector<Taps> list;
    for (std::int64_t p = 0; p < extent * scale; ++p) {
      list.push_back(taps(p, extent, scale, bilinear));
    }
    return list;
  }

  Shape output_shape(const Shape& x) const {
    if (x.rank() != 4) throw ShapeError("upsample2d: expected [N,H,W,C], got " + x.str());
    if (scale_h < 1 || scale_w < 1) throw ShapeError("upsample2d: scales must be 1 or more");
    return {x[0], scale_h * x[1], scale_w * x[2], x[3]};
  }
  Op forward(const Shape& x, Purpose purpose) const {
    return {kForward, {{DType::f32, x}}, {{DType::f32, output_shape(x)}}, attributes(), purpose};
  }
  Op backward(const Shape& x) const {
    return {kBackward,
            {{DType::f32, output_shape(x)}},
            {{DType::f32, x}},
            attributes(),
            Purpose::train};
  }

 private:
  Attributes attributes() const {
    Attributes a;
    a.set_unless("scale_h", scale_h, std::int64_t{1});
    a.set_unless("scale_w", scale_w, std::int64_t{1});
    a.set_unless("bilinear", bilinear, false);
    return a;
  }
};

}  // namespace soma::ops
