#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// How a 2-D window slides; lengths in elements.
struct Window2d {
  std::int64_t stride_h = 1, stride_w = 1;                                // > 0
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;  // >= 0
  std::int64_t dilation_h = 1, dilation_w = 1;  // > 0; 1 leaves no gap between taps

  void write(Attributes& to) const {
    const std::int64_t one = 1, zero = 0;
    to.set_unless("stride_h", stride_h, one);
    to.set_unless("stride_w", stride_w, one);
    to.set_unless("pad_top", pad_top, zero);
    to.set_unless("pad_bottom", pad_bottom, zero);
    to.set_unless("pad_left", pad_left, zero);
    to.set_unless("pad_right", pad_right, zero);
    to.set_unless("dilation_h", dilation_h, one);
    to.set_unless("dilation_w", dilation_w, one);
  }
  static Window2d from(const Attributes& a) {
    return {a.integer("stride_h", 1),   a.integer("stride_w", 1),  a.integer("pad_top", 0),
            a.integer("pad_bottom", 0), a.integer("pad_left", 0),  a.integer("pad_right", 0),
            a.integer("dilation_h", 1), a.integer("dilation_w", 1)};
  }

  /// Output extents {P, Q} for an input of H x W and a kernel of R x S:
  /// P = floor((H + pad_top + pad_bottom - dilation_h*(R-1) - 1) / stride_h) + 1, Q alike.
  /// Throws ShapeError for a non-positive stride or dilation, a negative padding or a kernel larger
  /// than the padded input. Source: Dumoulin & Visin, arXiv:1603.07285.
  std::pair<std::int64_t, std::int64_t> output(const char* where, std::int64_t h, std::int64_t w,
                                               std::int64_t r, std::int64_t s) const {
    if (stride_h < 1 || stride_w < 1 || dilation_h < 1 || dilation_w < 1 || r < 1 || s < 1) {
      throw ShapeError(std::string(where) + ": kernel, stride and dilation must be 1 or more");
    }
    if (pad_top < 0 || pad_bottom < 0 || pad_left < 0 || pad_right < 0) {
      throw ShapeError(std::string(where) + ": padding must not be negative");
    }
    const std::int64_t room_h = h + pad_top + pad_bottom - dilation_h * (r - 1) - 1;
    const std::int64_t room_w = w + pad_left + pad_right - dilation_w * (s - 1) - 1;
    if (room_h < 0 || room_w < 0) {
      throw ShapeError(std::string(where) + ": a " + std::to_string(r) + "x" + std::to_string(s) +
                       " window does not fit the padded input of " +
                       std::to_string(h + pad_top + pad_bottom) + "x" +
                       std::to_string(w + pad_left + pad_right));
    }
    return {room_h / stride_h + 1, room_w / stride_w + 1};
  }
};

}  // namespace soma::ops
