#include <algorithm>
#include <atomic>

#include "conv2d_skipping.hpp"
#include "conv2d_taps.hpp"
#include "copy.hpp"
#include "kernel_base.hpp"
#include "reductions.hpp"

namespace soma::common {
namespace {

// The gradient [pixels, stride] as an operand whose terms are pixels. While it is packed, the hot
// copy is checked for Inf and NaN, which saves a pass over memory.
struct Gradient {
  const float* grad;
  std::int64_t stride;
  std::atomic<bool>* finite;

  // Packs `count` of the outputs from `outer` on, zero up to the next multiple of eight.
  void pack(std::int64_t outer, int count, std::int64_t k, std::int64_t kc, float* panel,
            int panel_stride) const {
    __m256 seen = _mm256_setzero_ps();
    for (std::int64_t j = 0; j < kc; ++j) {
      const float* from = grad + (k + j) * stride + outer;
      float* to = panel + j * panel_stride;
      for (int i = 0; i < count; i += 8) {
        const __m256 v = _mm256_maskload_ps(from + i, first_lanes(std::min(count - i, 8)));
        seen = _mm256_fmadd_ps(v, _mm256_setzero_ps(), seen);  // NaN from now on for Inf and NaN
        _mm256_storeu_ps(to + i, v);
      }
    }
    if (_mm256_movemask_ps(_mm256_cmp_ps(seen, seen, _CMP_UNORD_Q)) != 0) {
      finite->store(false, std::memory_order_relaxed);
    }
  }
};

class GradientRows final : public RowSource {
 public:
  explicit GradientRows(const Gradient& gradient) : gradient_(gradient) {}
  PanelLayout layout() const override { return PanelLayout::columns; }
  void pack(std::int64_t m, int rows, std::int64_t k, std::int64_t kc,
            float* panel) const override {
    gradient_.pack(m, rows, k, kc, panel, micro_kernels().column_stride);
  }

 private:
  Gradient gradient_;
};

class GradientColumns final : public ColumnSource {
 public:
  explicit GradientColumns(const Gradient& gradient) : gradient_(gradient) {}
  void pack(std::int64_t n, int cols, std::int64_t k, std::int64_t kc,
            float* panel) const override {
    const int nr = micro_kernels().nr, written = (cols + 7) / 8 * 8;
    gradient_.pack(n, cols, k, kc, panel, nr);
    for (std::int64_t j = 0; j < kc && written < nr; ++j) {
      zero_floats(panel + j * nr + written, nr - written);
    }
  }

 private:
  Gradient gradient_;
};

class ConvWeights final : public CanonicalKernel {
 public:
  ConvWeights(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        z_(op),
        bias_(op.outputs.size() > 1),
        accumulate_(ops::Conv2d::from(op.attributes).accumulate),
        pixels_(z_.n * z_.p * z_.q) {
    const std::int64_t outputs = z_.k_in_group(), width = z_.taps() * z_.c_in_group();
    // A tap of a one-channel image is contiguous along an image row, not across taps: there the
    // taps are the rows and the transposed gradient of the weights comes out.
    across_ = forward_taps(z_, nullptr, 0).single_channel() && pixels_ > 0;
    gemm_ = across_ ? Gemm(width, outputs, pixels_, Gemm::Schedule::split_k, accumulate_)
                    : Gemm(outputs, width, pixels_, Gemm::choose_deep(outputs, width, pixels_),
                           accumulate_);
    info_.workspace_bytes =
        std::max(gemm_.workspace_bytes(false), bias_ ? column_sums_bytes(pixels_, z_.k) : 0);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* grad = exec.input<float>(1);
    // Kept sums cannot be taken back, so there the gradient is looked at beforehand.
    std::atomic<bool> finite = !z_.pads() || !accumulate_ || all_finite(grad, pixels_ * z_.k);
    const bool fast = finite;
    for (std::int64_t g = 0; g < z_.groups && fast; ++g) multiply(exec, g, &finite);
    if (z_.pads() && !finite) {
      for (std::int64_t g = 0; g < z_.groups; ++g) {
        weights_skipping(parallel(), exec.threads(), forward_taps(z_, exec.input<float>(0), g),
                         z_.n, grad + g * z_.k_in_group(), z_.k, z_.k_in_group(), accumulate_,
                         group_output(exec, g));
      }
    }
    if (bias_) {
      column_sums(parallel(), exec.threads(), grad, pixels_, z_.k, accumulate_,
                  exec.output<float>(1), exec.workspace<float>());
    }
  }

  void multiply(const sdk::Exec& exec, std::int64_t group, std::atomic<bool>* finite) const {
    const TapView view = forward_taps(z_, exec.input<float>(0), group);
    const Gradient gradient{exec.input<float>(1) + group * z_.k_in_group(), z_.k, finite};
    Product product;
    product.finish.out = group_output(exec, group);
    product.finish.out_stride = view.width();
    product.finish.accumulate = accumulate_;
    if (across_) {
      gemm_.run(parallel(), exec.threads(), TapsOverPixels(view), GradientColumns(gradient),
                nullptr, product, exec.workspace(), true);
    } else {
      gemm_.run(parallel(), exec.threads(), GradientRows(gradient), TapColumns(view), nullptr,
                product, exec.workspace());
    }
  }

  float* group_output(const sdk::Exec& exec, std::int64_t group) const {
    return exec.output<float>(0) + group * z_.k_in_group() * z_.taps() * z_.c_in_group();
  }

  ConvSizes z_;
  bool bias_, accumulate_;
  std::int64_t pixels_;
  bool across_ = false;
  Gemm gemm_;
};

}  // namespace

KernelPtr make_conv2d_weights(const Op& op, const Parallel& parallel) {
  return std::make_unique<ConvWeights>(op, parallel);
}

}  // namespace soma::common
