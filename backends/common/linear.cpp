#include "soma/sdk/ops/linear.hpp"

#include <algorithm>

#include "epilogue.hpp"
#include "kernel_base.hpp"
#include "matrix_source.hpp"
#include "reductions.hpp"

namespace soma::common {
namespace {

// output[m,n] = input[m,:] . weight[n,:], or grad_input[m,k] = grad_output[m,:] . weight[:,k]: the
// second operand is the weight, which is worth packing when it serves many rows or many calls.
class TimesWeight final : public CanonicalKernel {
 public:
  TimesWeight(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        outputs_(op.out(0)[1]),
        terms_(op.in(0)[1]),
        forward_(op.id == ops::Linear::kForward),
        epilogue_(ops::Linear::from(op.attributes).epilogue) {
    const std::int64_t rows = op.in(0)[0];
    const bool packed =
        op.purpose == Purpose::infer || Gemm::choose(rows) == Gemm::Schedule::shared_b;
    gemm_ = Gemm(rows, outputs_, terms_,
                 packed ? Gemm::Schedule::shared_b : Gemm::Schedule::private_b, false);
    if (packed) info_.pack_bytes = gemm_.pack_bytes();
    if (info_.pack_bytes > 0) info_.packed_inputs = 1u << 1;
    info_.workspace_bytes = gemm_.workspace_bytes(packed);
    constexpr std::int64_t kTiny = 64 * 1024;  // multiply-adds
    tiny_ = info_.pack_bytes > 0 && rows > 0 && rows <= micro_kernels().mr &&
            rows * outputs_ * terms_ <= kTiny;
    rows_ = rows;
  }
  void pack(const sdk::Exec& exec, void* pack) const override {
    gemm_.pack_b(parallel(), exec.threads(), weight(exec), static_cast<float*>(pack));
  }

 private:
  MatrixColumns weight(const sdk::Exec& exec) const {
    return {exec.input<float>(1), forward_ ? terms_ : outputs_,
            forward_ ? Along::terms : Along::outer};
  }
  void compute(const sdk::Exec& exec) const override {
    if (tiny_) return run_tiny(exec);
    gemm_.run(parallel(), exec.threads(), MatrixRows(exec.input<float>(0), terms_, Along::terms),
              weight(exec), info_.pack_bytes > 0 ? exec.pack<float>() : nullptr,
              epilogue_.product(exec, outputs_), exec.workspace());
  }

  // So few rows and multiply-adds that cutting, packing and scratch would cost more than the
  // product.
  void run_tiny(const sdk::Exec& exec) const {
    const MicroKernels& micro = micro_kernels();
    const Product product = epilogue_.product(exec, outputs_);
    const float* packed = exec.pack<float>();
    TileFinish finish = product.finish;
    Tile tile;
    tile.a_step = terms_;
    tile.segment_count = 1;
    tile.total_stride = outputs_;
    for (std::int64_t n = 0; n < outputs_; n += micro.nr) {
      tile.cols = static_cast<int>(std::min<std::int64_t>(micro.nr, outputs_ - n));
      finish.out = tile.total = product.finish.out + n;
      if (finish.bias != nullptr) finish.bias = product.finish.bias + n;
      if (finish.residual != nullptr) finish.residual = product.finish.residual + n;
      const auto run = micro.select(PanelLayout::rows, static_cast<int>(rows_), tile.cols);
      for (std::int64_t block = 0; block < gemm_.blocks(); ++block) {
        const Segment whole{0, 0, gemm_.block_terms(block)};
        tile.a = exec.input<float>(0) + block * kBlock;
        tile.b = gemm_.panel(packed, block, n / micro.nr);
        tile.segments = &whole;
        tile.first = block == 0;
        tile.finish = block + 1 == gemm_.blocks() ? &finish : nullptr;
        run(tile);
      }
    }
    if (product.activation == nullptr) return;
    product.activation(product.finish.out, product.finish.out, rows_ * outputs_);
  }

  std::int64_t outputs_, terms_, rows_;
  bool forward_, tiny_ = false;
  EpiloguePlan epilogue_;
  Gemm gemm_;
};

class LinearWeights final : public CanonicalKernel {
 public:
  LinearWeights(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        m_(op.in(0)[0]),
        k_(op.in(0)[1]),
        n_(op.in(1)[1]),
        bias_(op.outputs.size() > 1),
        accumulate_(ops::Linear::from(op.attributes).accumulate),
        gemm_(n_, k_, m_, Gemm::choose_deep(n_, k_, m_), accumulate_) {
    info_.workspace_bytes = gemm_.workspace_bytes(false);
    if (bias_) {
      info_.workspace_bytes = std::max(info_.workspace_bytes, column_sums_bytes(m_, n_));
    }
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* grad = exec.input<float>(1);
    Product product;
    product.finish.out = exec.output<float>(0);
    product.finish.out_stride = k_;
    product.finish.accumulate = accumulate_;
    gemm_.run(parallel(), exec.threads(), MatrixRows(grad, n_, Along::outer),
              MatrixColumns(exec.input<float>(0), k_, Along::outer), nullptr, product,
              exec.workspace());
    if (bias_) {
      column_sums(parallel(), exec.threads(), grad, m_, n_, accumulate_, exec.output<float>(1),
                  exec.workspace<float>());
    }
  }

  std::int64_t m_, k_, n_;
  bool bias_, accumulate_;
  Gemm gemm_;
};

KernelPtr make_linear(const Op& op, const Parallel& parallel) {
  if (op.id == ops::Linear::kBackwardWeights) return std::make_unique<LinearWeights>(op, parallel);
  return std::make_unique<TimesWeight>(op, parallel);
}

}  // namespace

std::span<const Entry> linear_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Linear::kForward, &make_linear},
      {ops::Linear::kBackwardData, &make_linear},
      {ops::Linear::kBackwardWeights, &make_linear},
  };
  return kEntries;
}

}  // namespace soma::common
