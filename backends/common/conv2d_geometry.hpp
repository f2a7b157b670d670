#pragma once

#include <cstdint>
#include <vector>

#include "parallel.hpp"
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
};

/// Which source positions the taps along one axis see from each output position. Outputs `out_step`
/// apart form a phase: they see through the same taps, and from the i-th of them tap t sees
/// position i * step + shift of t. Positions outside [0, size) do not exist: there a tap sees
/// nothing.
struct AxisView {
  struct Tap {
    std::int64_t tap, shift;
  };
  struct Phase {
    std::int64_t first;  ///< output position of i = 0
    std::int64_t count;
    std::vector<Tap> taps;  ///< ascending; the others see nothing from here, as they fall between
                            ///< strides
  };
  std::int64_t size = 0, taps = 0, step = 1, out_step = 1, low = 0,
               high = 0;   // low..high: all shifts
  std::int64_t count = 0;  ///< the largest of the phases
  std::vector<Phase> phases;

  /// The forward convolution seen from its outputs, and backwards from its inputs.
  static AxisView forward(std::int64_t outputs, std::int64_t inputs, std::int64_t taps,
                          std::int64_t stride, std::int64_t pad, std::int64_t dilation);
  static AxisView backward(std::int64_t inputs, std::int64_t outputs, std::int64_t taps,
                           std::int64_t stride, std::int64_t pad, std::int64_t dilation);
  /// Whether some position that is looked at does not exist.
  bool reaches_outside() const { return low < 0 || high + (count - 1) * step >= size; }
  /// Source positions that outputs [begin, end) of all phases look at.
  std::int64_t span(std::int64_t begin, std::int64_t end) const {
    return (end - begin - 1) * step + high - low + 1;
  }

 private:
  void finish();
};

/// Distances in floats between neighbours in the images that a kernel reads.
struct SourceLayout {
  std::int64_t pixel = 0, row = 0, image = 0;
};

/// A batch of images [N, y.size, x.size, pixel_stride] of which `channels` are read, through two
/// axes.
struct ImageView {
  AxisView y, x;
  std::int64_t batch = 0, pixel_stride = 0, channels = 0;

  static ImageView forward(const ConvSizes& sizes);
  static ImageView backward(const ConvSizes& sizes);

  bool reaches_outside() const { return y.reaches_outside() || x.reaches_outside(); }
  /// Layout of the images as they are.
  SourceLayout in_place() const;
  /// Layout of copies, each holding what `rows` rows of outputs look at, zeros included.
  SourceLayout copied(std::int64_t rows) const;
  /// Floats from the start of a copy to what its first output sees through shifts of 0.
  std::int64_t copy_origin() const {
    const SourceLayout layout = copied(1);
    return -(y.low * layout.row + x.low * layout.pixel);
  }
  /// Copies what output rows [begin, end) of image n look at; `images` points at the group's
  /// channels of the first image. Fills span(begin, end) rows.
  void copy(const float* images, std::int64_t n, std::int64_t begin, std::int64_t end,
            float* to) const;
};

}  // namespace soma::common
