#include "soma/sdk/ops/conv2d.hpp"

#include <cstring>

#include "conv2d_skipping.hpp"
#include "conv2d_taps.hpp"
#include "epilogue.hpp"
#include "kernel_base.hpp"
#include "matrix_source.hpp"

namespace soma::common {
namespace {

// Weights [K,R,S,C/g] of one group as the right operand of bwd_data: terms (r, s, k), columns c.
class DataWeights final : public ColumnSource {
 public:
  DataWeights(const float* weight, const ConvSizes& z)
      : weight_(weight), outputs_(z.k_in_group()), channels_(z.c_in_group()), taps_(z.taps()) {}
  void pack(std::int64_t n, int cols, std::int64_t k, std::int64_t kc,
            float* panel) const override {
    const int nr = micro_kernels().nr;
    std::int64_t tap = k / outputs_, output = k % outputs_;
    while (kc > 0) {
      const std::int64_t run = std::min(kc, outputs_ - output);
      const std::int64_t stride = taps_ * channels_;
      pack_contiguous(weight_ + output * stride + tap * channels_ + n, stride, cols, run, panel);
      panel += run * nr;
      kc -= run;
      output = 0;
      ++tap;
    }
  }

 private:
  const float* weight_;
  std::int64_t outputs_, channels_, taps_;
};

// Forward and bwd_data: pixels times packed weights. The pack is one product's after another, for
// each group, and then a flag that says whether all weights are finite.
class ConvKernel final : public CanonicalKernel {
 public:
  ConvKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        z_(op),
        forward_(op.id == ops::Conv2d::kForward),
        epilogue_(ops::Conv2d::from(op.attributes).epilogue),
        // Seen from the data, taps near the borders or between strides see nothing.
        skips_(z_.pads() ||
               (!forward_ && (z_.taps() > 1 || z_.window.stride_h > 1 || z_.window.stride_w > 1))),
        outputs_(forward_ ? z_.k_in_group() : z_.c_in_group()),
        gemm_(forward_ ? z_.n * z_.p * z_.q : z_.n * z_.h * z_.w, outputs_,
              z_.taps() * (forward_ ? z_.c_in_group() : z_.k_in_group()), Gemm::Schedule::shared_b,
              false) {
    info_.packed_inputs = 1u << 1;
    info_.pack_bytes = gemm_.pack_bytes() * static_cast<std::size_t>(z_.groups) + sizeof(Flag);
    info_.workspace_bytes = gemm_.workspace_bytes(true);
  }

  void pack(const sdk::Exec& exec, void* pack) const override {
    const auto* weight = exec.input<float>(1);
    const std::int64_t group_floats = weight_floats() / z_.groups;
    for (std::int64_t g = 0; g < z_.groups; ++g) {
      float* packed = group_pack(static_cast<float*>(pack), g);
      const float* of_group = weight + g * group_floats;
      if (forward_) {
        const std::int64_t width = z_.taps() * z_.c_in_group();
        gemm_.pack_b(parallel(), exec.threads(), MatrixColumns(of_group, width, Along::terms),
                     packed);
      } else {
        gemm_.pack_b(parallel(), exec.threads(), DataWeights(of_group, z_), packed);
      }
    }
    const Flag finite = all_finite(weight, weight_floats()) ? 1 : 0;
    std::memcpy(group_pack(static_cast<float*>(pack), z_.groups), &finite, sizeof finite);
  }

 private:
  using Flag = std::int64_t;

  std::int64_t weight_floats() const { return z_.k * z_.taps() * z_.c_in_group(); }
  template <class T>
  T* group_pack(T* pack, std::int64_t group) const {
    return pack + static_cast<std::size_t>(group) * (gemm_.pack_bytes() / sizeof(float));
  }

  void compute(const sdk::Exec& exec) const override {
    const Product whole = epilogue_.product(exec, outputs_ * z_.groups);
    const auto* packed = exec.pack<float>();
    Flag finite;
    std::memcpy(&finite, group_pack(packed, z_.groups), sizeof finite);
    for (std::int64_t g = 0; g < z_.groups; ++g) {
      Product product = whole;
      product.finish.out += g * outputs_;
      if (product.finish.bias != nullptr) product.finish.bias += g * outputs_;
      if (product.finish.residual != nullptr) product.finish.residual += g * outputs_;
      const TapView view = forward_ ? forward_taps(z_, exec.input<float>(0), g)
                                    : data_taps(z_, exec.input<float>(0), g);
      if (skips_ && finite == 0) {
        compute_skipping(exec, view, g, product);
      } else {
        // All columns come packed, so no column source is asked for any.
        gemm_.run(parallel(), exec.threads(), TapRows(view),
                  MatrixColumns(nullptr, 0, Along::outer), group_pack(packed, g), product,
                  exec.workspace());
      }
    }
  }

  void compute_skipping(const sdk::Exec& exec, const TapView& view, std::int64_t group,
                        const Product& product) const;

  ConvSizes z_;
  bool forward_;
  EpiloguePlan epilogue_;
  bool skips_;
  std::int64_t outputs_;
  Gemm gemm_;
};

void ConvKernel::compute_skipping(const sdk::Exec& exec, const TapView& view, std::int64_t group,
                                  const Product& product) const {
  const std::int64_t channels = z_.c_in_group(), width = z_.taps() * channels;
  // The weight itself is an input of every execution; the pack only saves its reordering.
  const float* weight = exec.input<float>(1) + group * z_.k_in_group() * width;
  const SkippingWeight as_seen = forward_ ? SkippingWeight{weight, width, channels, 1}
                                          : SkippingWeight{weight, 1, channels, width};
  convolve_skipping(parallel(), exec.threads(), view, z_.n, as_seen, outputs_, product);
}

}  // namespace

KernelPtr make_conv2d(const Op& op, const Parallel& parallel) {
  return std::make_unique<ConvKernel>(op, parallel);
}

}  // namespace soma::common
