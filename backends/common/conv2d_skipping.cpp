#include "conv2d_skipping.hpp"

#include "soma/sdk/math/lanes.hpp"

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

}  // namespace

void convolve_skipping(const Parallel& parallel, int threads, const TapView& view,
                       std::int64_t batch, const SkippingWeight& weight, std::int64_t outputs,
                       const Product& product) {
  const TileFinish& finish = product.finish;
  parallel.run(
      threads, batch * view.y.out * view.x.out, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t m = begin; m < end; ++m) {
          const TapView::Pixel at = view.pixel(m);
          float* out = finish.out + m * finish.out_stride;
          for (std::int64_t i = 0; i < outputs; ++i) {
            CanonicalSum sum;
            for (std::int64_t tap = 0; tap < view.y.taps * view.x.taps; ++tap) {
              const std::int64_t sy = view.y.source(at.y, tap / view.x.taps);
              const std::int64_t sx = view.x.source(at.x, tap % view.x.taps);
              if (sy < 0 || sx < 0) continue;
              const float* seen = view.row(at.batch, sy) + sx * view.pixel_stride;
              const float* w = weight.weight + i * weight.output_stride + tap * weight.tap_stride;
              for (std::int64_t c = 0; c < view.channels; ++c) {
                sum.add(tap * view.channels + c, seen[c], w[c * weight.channel_stride]);
              }
            }
            out[i] = finished(sum.total(), finish, m, i);
          }
          if (product.activation != nullptr) product.activation(out, out, outputs);
        }
      });
}

void weights_skipping(const Parallel& parallel, int threads, const TapView& view,
                      std::int64_t batch, const float* grad, std::int64_t grad_stride,
                      std::int64_t outputs, bool accumulate, float* grad_weight) {
  const std::int64_t width = view.width(), pixels = batch * view.y.out * view.x.out;
  parallel.run(threads, outputs * width, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t k = i / width, tap = i % width / view.channels;
      const std::int64_t channel = i % view.channels;
      CanonicalSum sum;
      TapView::Pixel at = view.pixel(0);
      for (std::int64_t m = 0; m < pixels; ++m, view.advance(at)) {
        const std::int64_t sy = view.y.source(at.y, tap / view.x.taps);
        const std::int64_t sx = view.x.source(at.x, tap % view.x.taps);
        if (sy < 0 || sx < 0) continue;
        const float seen = view.row(at.batch, sy)[sx * view.pixel_stride + channel];
        sum.add(m, grad[m * grad_stride + k], seen);
      }
      grad_weight[i] = accumulate ? grad_weight[i] + sum.total() : sum.total();
    }
  });
}

bool all_finite(const float* x, std::int64_t n) {
  using Lanes = math::F32x8;
  // x * 0 is NaN for an Inf or a NaN, which then stays in the sum.
  Lanes seen(0), zero(0);
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) seen = fma(Lanes::load(x + i), zero, seen);
  if (i < n) seen = fma(Lanes::load_partial(x + i, n - i), zero, seen);
  return !any(seen != seen);
}

}  // namespace soma::common
