#include "conv2d_skipping.hpp"

namespace soma::common {
namespace {

// One output element: terms come with their absolute index and are added to their block.
class CanonicalSum {
 public:
  void add(std::int64_t k, float a, float b) {
    if (k / kBlock != index_) {
      total_ += block_;
      block_ = 0;
      index_ = k / kBlock;
    }
    block_ = __builtin_fmaf(a, b, block_);
  }
  float total() const { return total_ + block_; }

 private:
  std::int64_t index_ = 0;
  float block_ = 0, total_ = 0;
};

float finished(float v, const TileFinish& f, std::int64_t row, std::int64_t col) {
  if (f.bias != nullptr) v += f.bias[col];
  if (f.residual != nullptr) v += f.residual[row * f.residual_stride + col];
  if (f.relu && v <= 0) v = 0;
  return v;
}

bool exists(const AxisView& axis, std::int64_t at) { return at >= 0 && at < axis.size; }

// Calls seen(tap, first of the channels) for the taps that see something from output (i, j) of two
// phases, ascending.
template <class Seen>
void for_taps(const ImageView& view, const float* images, std::int64_t n, const AxisView::Phase& py,
              std::int64_t i, const AxisView::Phase& px, std::int64_t j, Seen seen) {
  for (const AxisView::Tap& ty : py.taps) {
    const std::int64_t y = i * view.y.step + ty.shift;
    if (!exists(view.y, y)) continue;
    for (const AxisView::Tap& tx : px.taps) {
      const std::int64_t x = j * view.x.step + tx.shift;
      if (!exists(view.x, x)) continue;
      seen(ty.tap * view.x.taps + tx.tap,
           images + ((n * view.y.size + y) * view.x.size + x) * view.pixel_stride);
    }
  }
}

}  // namespace

void convolve_skipping(const Parallel& parallel, int threads, const ImageView& view,
                       const float* images, const float* weight, const WeightStrides& strides,
                       std::int64_t outputs, const Product& product) {
  const AxisView &y = view.y, &x = view.x;
  std::int64_t height = 0, width = 0;
  for (const auto& phase : y.phases) height += phase.count;
  for (const auto& phase : x.phases) width += phase.count;
  parallel.run(threads, view.batch * height, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t n = row / height, h = row % height;
      const AxisView::Phase& py = y.phases[static_cast<std::size_t>(h % y.out_step)];
      for (std::int64_t w = 0; w < width; ++w) {
        const AxisView::Phase& px = x.phases[static_cast<std::size_t>(w % x.out_step)];
        const std::int64_t m = row * width + w;
        float* out = product.finish.out + m * product.finish.out_stride;
        for (std::int64_t o = 0; o < outputs; ++o) {
          CanonicalSum sum;
          for_taps(view, images, n, py, h / y.out_step, px, w / x.out_step,
                   [&](std::int64_t tap, const float* seen) {
                     const float* of_tap = weight + o * strides.output + tap * strides.tap;
                     for (std::int64_t c = 0; c < view.channels; ++c) {
                       sum.add(tap * view.channels + c, seen[c], of_tap[c * strides.channel]);
                     }
                   });
          out[o] = finished(sum.total(), product.finish, m, o);
        }
        if (product.activation != nullptr) product.activation(out, out, outputs);
      }
    }
  });
}

void weights_skipping(const Parallel& parallel, int threads, const ImageView& view,
                      const float* images, const float* grad, std::int64_t grad_stride,
                      std::int64_t outputs, bool accumulate, float* grad_weight) {
  const AxisView &y = view.y, &x = view.x;
  const std::int64_t pixels = y.count * x.count, row = y.taps * x.taps * view.channels;
  parallel.run(threads, outputs * row, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t k = at / row, tap = at % row / view.channels;
      const std::int64_t shift_y = y.phases[0].taps[static_cast<std::size_t>(tap / x.taps)].shift;
      const std::int64_t shift_x = x.phases[0].taps[static_cast<std::size_t>(tap % x.taps)].shift;
      CanonicalSum sum;
      for (std::int64_t m = 0; m < view.batch * pixels; ++m) {
        const std::int64_t sy = m % pixels / x.count * y.step + shift_y;
        const std::int64_t sx = m % x.count * x.step + shift_x;
        if (!exists(y, sy) || !exists(x, sx)) continue;
        const std::int64_t pixel = (m / pixels * y.size + sy) * x.size + sx;
        sum.add(m, grad[m * grad_stride + k],
                images[pixel * view.pixel_stride + at % view.channels]);
      }
      grad_weight[at] = accumulate ? grad_weight[at] + sum.total() : sum.total();
    }
  });
}

}  // namespace soma::common
