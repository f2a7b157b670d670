#include <algorithm>

#include "recurrent.hpp"
#include "reductions.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGates = ops::Gru::kGates, kSaved = ops::Gru::kSaved;

class ForwardSteps final : public RecurrentSteps {
 public:
  /// For inference the gates are not kept.
  ForwardSteps(const Sequence& q, const sdk::Exec& exec, bool training)
      : q_(q),
        xw_(exec.input<float>(0)),
        bias_(exec.input<float>(2)),
        bias_u_(exec.input<float>(3)),
        h0_(exec.input<float>(4)),
        h_(exec.output<float>(0)),
        gates_(training ? exec.output<float>(1) : nullptr) {}
  StepRows left(std::int64_t s) const override {
    return {q_.before(h0_, h_, s, 0), s == 0 ? q_.h : q_.t * q_.h};
  }
  void fetch(std::int64_t s, std::int64_t group, const StepPart& part) const override {
    for (std::int64_t i = 0; i < part.rows; ++i) {
      const std::int64_t row = (part.first_row + i) * q_.t + q_.at(s);
      fetch_floats(xw_ + (row * kGates + group) * q_.h + part.first_unit, part.units);
      if (group == 0) fetch_floats(h_ + row * q_.h + part.first_unit, part.units);
      if (gates_ == nullptr) continue;
      const std::int64_t last = group + 1 == kGates ? kSaved : group + 1;
      for (std::int64_t g = group; g < last; ++g) {
        fetch_floats(gates_ + (row * kSaved + g) * q_.h + part.first_unit, part.units);
      }
    }
  }
  void finish(std::int64_t s, const StepSums& sums) const override {
    const std::int64_t first = sums.first_unit;
    const float *bias = bias_ + first, *bias_u = bias_u_ + first;
    for (std::int64_t i = 0; i < sums.rows; ++i) {
      const std::int64_t n = sums.first_row + i, row = n * q_.t + q_.at(s);
      const float* x = xw_ + row * kGates * q_.h + first;
      const float* before = q_.before(h0_, h_, s, n) + first;
      float* h = h_ + row * q_.h + first;
      float* gates = gates_ != nullptr ? gates_ + row * kSaved * q_.h + first : nullptr;
      for_lanes(sums.units, [&](std::int64_t j, auto lanes) {
        const auto a = [&](std::int64_t g) {
          return (lanes.load(x + g * q_.h + j) + lanes.load(sums.row(i, g) + j)) +
                 lanes.load(bias + g * q_.h + j);
        };
        const Lanes r = sigmoid(a(0)), z = sigmoid(a(1));
        const Lanes q = lanes.load(sums.row(i, 2) + j) + lanes.load(bias_u + j);
        const Lanes outside = lanes.load(x + 2 * q_.h + j) + lanes.load(bias + 2 * q_.h + j);
        const Lanes m = tanh(fma(r, q, outside));
        lanes.store(fma(z, lanes.load(before + j), (Lanes(1) - z) * m), h + j);
        if (gates == nullptr) return;
        lanes.store(r, gates + j);
        lanes.store(z, gates + q_.h + j);
        lanes.store(m, gates + 2 * q_.h + j);
        lanes.store(q, gates + 3 * q_.h + j);
      });
    }
  }

 private:
  Sequence q_;
  const float *xw_, *bias_, *bias_u_, *h0_;
  float *h_, *gates_;
};

class GruForward final : public CanonicalKernel {
 public:
  GruForward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        q_{op.out(0)[0], op.out(0)[1], op.out(0)[2], ops::Gru::from(op.attributes).reverse},
        training_(op.outputs.size() > 1),
        product_(q_.n, q_.h, kGates, q_.h) {
    info_.pack_bytes = product_.pack_bytes();
    if (info_.pack_bytes > 0) info_.packed_inputs = 1u << 1;
  }
  void pack(const sdk::Exec& exec, void* pack) const override {
    product_.pack(parallel(), exec.threads(), exec.input<float>(1), Along::terms,
                  static_cast<float*>(pack));
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    product_.run(parallel(), exec.threads(), q_.t, exec.pack<float>(),
                 ForwardSteps(q_, exec, training_));
  }

  Sequence q_;
  bool training_;
  RecurrentProduct product_;
};

// Step s differentiates the step taken as number T - 1 - s; step T is the state before the first.
class BackwardSteps final : public RecurrentSteps {
 public:
  BackwardSteps(const Sequence& q, const sdk::Exec& exec, float* du)
      : q_(q),
        h0_(exec.input<float>(1)),
        h_(exec.input<float>(2)),
        gates_(exec.input<float>(3)),
        grad_h_(exec.input<float>(4)),
        grad_xw_(exec.output<float>(0)),
        du_(du),
        direct_(exec.output<float>(4)) {}
  StepRows left(std::int64_t s) const override {
    if (s == 0) return {};
    return {du_ + q_.at(q_.t - s) * kGates * q_.h, q_.t * kGates * q_.h};
  }
  void fetch(std::int64_t s, std::int64_t /*group*/, const StepPart& part) const override {
    if (s == q_.t) return;
    for (std::int64_t i = 0; i < part.rows; ++i) {
      const std::int64_t n = part.first_row + i, step = q_.t - 1 - s;
      const std::int64_t row = n * q_.t + q_.at(step), unit = part.first_unit;
      for (std::int64_t g = 0; g < kGates; ++g) {
        fetch_floats(grad_xw_ + (row * kGates + g) * q_.h + unit, part.units);
        fetch_floats(du_ + (row * kGates + g) * q_.h + unit, part.units);
      }
      for (std::int64_t g = 0; g < kSaved; ++g) {
        fetch_floats(gates_ + (row * kSaved + g) * q_.h + unit, part.units);
      }
      fetch_floats(grad_h_ + row * q_.h + unit, part.units);
      fetch_floats(q_.before(h0_, h_, step, n) + unit, part.units);
    }
  }
  void finish(std::int64_t s, const StepSums& sums) const override {
    const std::int64_t first = sums.first_unit, step = q_.t - 1 - s;
    for (std::int64_t i = 0; i < sums.rows; ++i) {
      const float* sum = sums.row(i);
      const std::int64_t n = sums.first_row + i;
      float* direct = direct_ + n * q_.h + first;  // dh z of the step after; at last grad_h0
      if (s == 0) std::fill_n(direct, sums.units, 0.0f);
      if (s == q_.t) {
        for_lanes(sums.units, [&](std::int64_t j, auto lanes) {
          lanes.store(lanes.load(sum + j) + lanes.load(direct + j), direct + j);
        });
        continue;
      }
      const std::int64_t row = n * q_.t + q_.at(step);
      const float *before = q_.before(h0_, h_, step, n) + first,
                  *grad_h = grad_h_ + row * q_.h + first;
      const float* gates = gates_ + row * kSaved * q_.h + first;
      float *da = grad_xw_ + row * kGates * q_.h + first, *du = du_ + row * kGates * q_.h + first;
      for_lanes(sums.units, [&](std::int64_t j, auto lanes) {
        const Lanes r = lanes.load(gates + j), z = lanes.load(gates + q_.h + j);
        const Lanes m = lanes.load(gates + 2 * q_.h + j), q = lanes.load(gates + 3 * q_.h + j);
        const Lanes dh = lanes.load(grad_h + j) + (lanes.load(sum + j) + lanes.load(direct + j));
        lanes.store(dh * z, direct + j);
        const Lanes dn = (dh * (Lanes(1) - z)) * tanh_slope(m);
        const Lanes dr = (dn * q) * sigmoid_slope(r);
        const Lanes dz = (dh * (lanes.load(before + j) - m)) * sigmoid_slope(z);
        lanes.store(dr, da + j);
        lanes.store(dr, du + j);
        lanes.store(dz, da + q_.h + j);
        lanes.store(dz, du + q_.h + j);
        lanes.store(dn, da + 2 * q_.h + j);
        lanes.store(dn * r, du + 2 * q_.h + j);
      });
    }
  }

 private:
  Sequence q_;
  const float *h0_, *h_, *gates_, *grad_h_;
  float *grad_xw_, *du_, *direct_;
};

class GruBackward final : public CanonicalKernel {
 public:
  GruBackward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        q_{op.in(2)[0], op.in(2)[1], op.in(2)[2], ops::Gru::from(op.attributes).reverse},
        product_(q_.n, q_.h, 1, kGates * q_.h),
        weights_(q_, kGates),
        du_floats_((q_.n * q_.t * kGates * q_.h + 15) / 16 * 16) {
    info_.pack_bytes = product_.pack_bytes();
    if (info_.pack_bytes > 0) info_.packed_inputs = 1u << 0;
    info_.workspace_bytes =
        static_cast<std::size_t>(du_floats_) * sizeof(float) +
        std::max(weights_.workspace_bytes(), column_sums_bytes(q_.n * q_.t, kGates * q_.h));
  }
  void pack(const sdk::Exec& exec, void* pack) const override {
    product_.pack(parallel(), exec.threads(), exec.input<float>(0), Along::outer,
                  static_cast<float*>(pack));
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const int threads = exec.threads();
    float *du = exec.workspace<float>(), *rest = du + du_floats_;
    product_.run(parallel(), threads, q_.t + 1, exec.pack<float>(), BackwardSteps(q_, exec, du));
    weights_.run(parallel(), threads, du, exec.input<float>(1), exec.input<float>(2),
                 exec.output<float>(1), rest);
    const std::int64_t rows = q_.n * q_.t, width = kGates * q_.h;
    column_sums(parallel(), threads, exec.output<float>(0), rows, width, false,
                exec.output<float>(2), rest);
    // The columns of gate n alone.
    parallel().run(threads, column_blocks(rows), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t row = block * kRowBlock;
        column_block_sums(du + row * width + 2 * q_.h, width, std::min(kRowBlock, rows - row), q_.h,
                          rest + block * q_.h);
      }
    });
    add_block_sums(rest, column_blocks(rows), q_.h, false, exec.output<float>(3));
  }

  Sequence q_;
  RecurrentProduct product_;
  RecurrentWeights weights_;
  std::int64_t du_floats_;
};

template <class Kernel>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<Kernel>(op, parallel);
}

}  // namespace

std::span<const Entry> gru_kernels() {
  static constexpr Entry kEntries[] = {{ops::Gru::kForward, &make<GruForward>},
                                       {ops::Gru::kBackward, &make<GruBackward>}};
  return kEntries;
}

}  // namespace soma::common
