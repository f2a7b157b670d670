#include <algorithm>

#include "recurrent.hpp"
#include "reductions.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::common {
namespace {

Sequence sequence_of(const Op& op) {
  const Shape& h = op.out(0);  // [N,T,H] in both directions
  return {h[0], h[1], h[2], ops::Rnn::from(op.attributes).reverse};
}

template <bool kRelu>
class ForwardSteps final : public RecurrentSteps {
 public:
  ForwardSteps(const Sequence& q, const sdk::Exec& exec)
      : q_(q),
        xw_(exec.input<float>(0)),
        bias_(exec.input<float>(2)),
        h0_(exec.input<float>(3)),
        h_(exec.output<float>(0)) {}
  StepRows left(std::int64_t s) const override {
    return {q_.before(h0_, h_, s, 0), s == 0 ? q_.h : q_.t * q_.h};
  }
  void fetch(std::int64_t s, std::int64_t /*group*/, const StepPart& part) const override {
    for (std::int64_t i = 0; i < part.rows; ++i) {
      const std::int64_t row = (part.first_row + i) * q_.t + q_.at(s);
      fetch_floats(xw_ + row * q_.h + part.first_unit, part.units);
      fetch_floats(h_ + row * q_.h + part.first_unit, part.units);
    }
  }
  void finish(std::int64_t s, const StepSums& sums) const override {
    for (std::int64_t i = 0; i < sums.rows; ++i) {
      const std::int64_t row = (sums.first_row + i) * q_.t + q_.at(s);
      const float *x = xw_ + row * q_.h + sums.first_unit, *sum = sums.row(i);
      const float* bias = bias_ + sums.first_unit;
      float* h = h_ + row * q_.h + sums.first_unit;
      for_lanes(sums.units, [&](std::int64_t j, auto lanes) {
        const Lanes a = (lanes.load(x + j) + lanes.load(sum + j)) + lanes.load(bias + j);
        lanes.store(kRelu ? relu(a) : tanh(a), h + j);
      });
    }
  }

 private:
  Sequence q_;
  const float *xw_, *bias_, *h0_;
  float* h_;
};

class RnnForward final : public CanonicalKernel {
 public:
  RnnForward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        q_(sequence_of(op)),
        relu_(ops::Rnn::from(op.attributes).activation == "relu"),
        product_(q_.n, q_.h, 1, q_.h) {
    info_.pack_bytes = product_.pack_bytes();
    if (info_.pack_bytes > 0) info_.packed_inputs = 1u << 1;
  }
  void pack(const sdk::Exec& exec, void* pack) const override {
    product_.pack(parallel(), exec.threads(), exec.input<float>(1), Along::terms,
                  static_cast<float*>(pack));
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto run = [&](const RecurrentSteps& steps) {
      product_.run(parallel(), exec.threads(), q_.t, exec.pack<float>(), steps);
    };
    relu_ ? run(ForwardSteps<true>(q_, exec)) : run(ForwardSteps<false>(q_, exec));
  }

  Sequence q_;
  bool relu_;
  RecurrentProduct product_;
};

// Step s differentiates the step taken as number T - 1 - s; step T is the state before the first.
template <bool kRelu>
class BackwardSteps final : public RecurrentSteps {
 public:
  BackwardSteps(const Sequence& q, const sdk::Exec& exec)
      : q_(q),
        h_(exec.input<float>(2)),
        grad_h_(exec.input<float>(3)),
        grad_xw_(exec.output<float>(0)),
        grad_h0_(exec.output<float>(3)) {}
  StepRows left(std::int64_t s) const override {
    if (s == 0) return {};
    return {grad_xw_ + q_.at(q_.t - s) * q_.h, q_.t * q_.h};
  }
  void fetch(std::int64_t s, std::int64_t /*group*/, const StepPart& part) const override {
    if (s == q_.t) return;
    for (std::int64_t i = 0; i < part.rows; ++i) {
      const std::int64_t row = (part.first_row + i) * q_.t + q_.at(q_.t - 1 - s);
      const std::int64_t at = row * q_.h + part.first_unit;
      fetch_floats(grad_h_ + at, part.units);
      fetch_floats(h_ + at, part.units);
      fetch_floats(grad_xw_ + at, part.units);
    }
  }
  void finish(std::int64_t s, const StepSums& sums) const override {
    for (std::int64_t i = 0; i < sums.rows; ++i) {
      const float* sum = sums.row(i);
      const std::int64_t n = sums.first_row + i;
      if (s == q_.t) {
        std::copy_n(sum, sums.units, grad_h0_ + n * q_.h + sums.first_unit);
        continue;
      }
      const std::int64_t at = (n * q_.t + q_.at(q_.t - 1 - s)) * q_.h + sums.first_unit;
      for_lanes(sums.units, [&](std::int64_t j, auto lanes) {
        const Lanes dh = lanes.load(grad_h_ + at + j) + lanes.load(sum + j);
        const Lanes y = lanes.load(h_ + at + j);
        lanes.store(kRelu ? select(Lanes(0) < y, dh, Lanes(0)) : tanh_slope(y) * dh,
                    grad_xw_ + at + j);
      });
    }
  }

 private:
  Sequence q_;
  const float *h_, *grad_h_;
  float *grad_xw_, *grad_h0_;
};

class RnnBackward final : public CanonicalKernel {
 public:
  RnnBackward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        q_(sequence_of(op)),
        relu_(ops::Rnn::from(op.attributes).activation == "relu"),
        product_(q_.n, q_.h, 1, q_.h),
        weights_(q_, 1) {
    info_.pack_bytes = product_.pack_bytes();
    if (info_.pack_bytes > 0) info_.packed_inputs = 1u << 0;
    info_.workspace_bytes =
        std::max(weights_.workspace_bytes(), column_sums_bytes(q_.n * q_.t, q_.h));
  }
  void pack(const sdk::Exec& exec, void* pack) const override {
    product_.pack(parallel(), exec.threads(), exec.input<float>(0), Along::outer,
                  static_cast<float*>(pack));
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const int threads = exec.threads();
    const auto run = [&](const RecurrentSteps& steps) {
      product_.run(parallel(), threads, q_.t + 1, exec.pack<float>(), steps);
    };
    relu_ ? run(BackwardSteps<true>(q_, exec)) : run(BackwardSteps<false>(q_, exec));
    const float* du = exec.output<float>(0);
    weights_.run(parallel(), threads, du, exec.input<float>(1), exec.input<float>(2),
                 exec.output<float>(1), exec.workspace());
    column_sums(parallel(), threads, du, q_.n * q_.t, q_.h, false, exec.output<float>(2),
                exec.workspace<float>());
  }

  Sequence q_;
  bool relu_;
  RecurrentProduct product_;
  RecurrentWeights weights_;
};

template <class Kernel>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<Kernel>(op, parallel);
}

}  // namespace

std::span<const Entry> rnn_kernels() {
  static constexpr Entry kEntries[] = {{ops::Rnn::kForward, &make<RnnForward>},
                                       {ops::Rnn::kBackward, &make<RnnBackward>}};
  return kEntries;
}

}  // namespace soma::common
