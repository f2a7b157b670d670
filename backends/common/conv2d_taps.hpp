#pragma once

#include <cstdint>

#include "gemm.hpp"
#include "soma/sdk/ops/conv2d.hpp"

namespace soma::common {

/// The sizes of a convolution in the letters of ops::Conv2d, read from any of its three ops.
struct ConvSizes {
  std::int64_t n, h, w, c, k, r, s, p, q, groups;
  ops::Window2d window;

  explicit ConvSizes(const Op& op);
  std::int64_t c_in_group() const { return c / groups; }
  std::int64_t k_in_group() const { return k / groups; }
  std::int64_t taps() const { return r * s; }
  /// Whether a window of the forward convolution may reach outside the input.
  bool pads() const;
};

/// What the pixels of an output grid see of a source image through each tap: the implicit matrix
/// [pixel, (r, s, channel)] of a convolution, for one group. A tap that sees nothing reads +0.
struct TapView {
  /// Along one axis tap t of output position o sees source position (o * step + offset + t *
  /// dilation) / divisor, if that is whole and inside [0, size).
  struct Axis {
    std::int64_t out = 0, size = 0, taps = 0, step = 1, offset = 0, dilation = 1, divisor = 1;
    /// -1 when it sees nothing.
    std::int64_t source(std::int64_t o, std::int64_t tap) const {
      const std::int64_t at = o * step + offset + tap * dilation;
      if (divisor == 1) return at >= 0 && at < size ? at : -1;
      return at >= 0 && at % divisor == 0 && at / divisor < size ? at / divisor : -1;
    }
  };
  Axis y, x;
  const float* image = nullptr;  ///< [batch, y.size, x.size, pixel_stride], at the group's channels
  std::int64_t pixel_stride = 0;  ///< channels of the whole image
  std::int64_t channels = 0;      ///< of this group

  std::int64_t width() const { return y.taps * x.taps * channels; }  ///< of a row of the matrix

  struct Pixel {
    std::int64_t batch, y, x;
  };
  Pixel pixel(std::int64_t index) const {
    return {index / x.out / y.out, index / x.out % y.out, index % x.out};
  }
  void advance(Pixel& at) const {
    if (++at.x < x.out) return;
    at.x = 0;
    if (++at.y < y.out) return;
    at.y = 0;
    ++at.batch;
  }
  /// Row `batch`, source row `sy` of the image.
  const float* row(std::int64_t batch, std::int64_t sy) const {
    return image + (batch * y.size + sy) * x.size * pixel_stride;
  }
  /// Copies columns [begin, begin + count) of a pixel's row of the matrix.
  void copy_row(const Pixel& at, std::int64_t begin, std::int64_t count, float* to) const;
  /// Copies what one tap sees from `count` pixels of one output row; for views with
  /// single_channel() only.
  void copy_across(const Pixel& first, std::int64_t ty, std::int64_t tx, std::int64_t count,
                   float* to) const;
  /// Whether neighbouring pixels see neighbouring floats: one channel, step 1.
  bool single_channel() const { return pixel_stride == 1 && x.step == 1 && x.divisor == 1; }
};

/// The views of the forward (and weights) direction and of the data direction, for group g.
TapView forward_taps(const ConvSizes& sizes, const float* input, std::int64_t group);
TapView data_taps(const ConvSizes& sizes, const float* grad_output, std::int64_t group);

/// Pixels as rows of a left operand, (r, s, channel) as its terms.
class TapRows final : public RowSource {
 public:
  explicit TapRows(const TapView& view) : view_(view) {}
  PanelLayout layout() const override {
    return view_.single_channel() ? PanelLayout::columns : PanelLayout::rows;
  }
  void pack(std::int64_t m, int rows, std::int64_t k, std::int64_t kc, float* panel) const override;

 private:
  TapView view_;
};

/// (r, s) as rows of a left operand, pixels as its terms; single_channel() views only.
class TapsOverPixels final : public RowSource {
 public:
  explicit TapsOverPixels(const TapView& view) : view_(view) {}
  PanelLayout layout() const override { return PanelLayout::rows; }
  void pack(std::int64_t m, int rows, std::int64_t k, std::int64_t kc, float* panel) const override;

 private:
  TapView view_;
};

/// (r, s, channel) as columns of a right operand, pixels as its terms.
class TapColumns final : public ColumnSource {
 public:
  explicit TapColumns(const TapView& view) : view_(view) {}
  void pack(std::int64_t n, int cols, std::int64_t k, std::int64_t kc, float* panel) const override;

 private:
  TapView view_;
};

}  // namespace soma::common
