#include <algorithm>

#include "recurrent.hpp"
#include "reductions.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGates = ops::Lstm::kGates;

class ForwardSteps final : public RecurrentSteps {
 public:
  /// For inference c and gates are null, and `carried` [N,H] holds the c of the step before.
  ForwardSteps(const Sequence& q, const sdk::Exec& exec, bool training)
      : q_(q),
        xw_(exec.input<float>(0)),
        bias_(exec.input<float>(2)),
        h0_(exec.input<float>(3)),
        c0_(exec.input<float>(4)),
        h_(exec.output<float>(0)),
        c_(training ? exec.output<float>(1) : nullptr),
        gates_(training ? exec.output<float>(2) : nullptr),
        carried_(exec.workspace<float>()) {}
  StepRows left(std::int64_t s) const override {
    return {q_.before(h0_, h_, s, 0), s == 0 ? q_.h : q_.t * q_.h};
  }
  void fetch(std::int64_t s, std::int64_t group, const StepPart& part) const override {
    for (std::int64_t r = 0; r < part.rows; ++r) {
      const std::int64_t row = (part.first_row + r) * q_.t + q_.at(s);
      const std::int64_t gate = (row * kGates + group) * q_.h + part.first_unit;
      fetch_floats(xw_ + gate, part.units);
      if (gates_ != nullptr) fetch_floats(gates_ + gate, part.units);
      if (group != 0) continue;
      fetch_floats(h_ + row * q_.h + part.first_unit, part.units);
      if (c_ != nullptr) fetch_floats(c_ + row * q_.h + part.first_unit, part.units);
    }
  }
  void finish(std::int64_t s, const StepSums& sums) const override {
    const std::int64_t first = sums.first_unit;
    for (std::int64_t r = 0; r < sums.rows; ++r) {
      const std::int64_t n = sums.first_row + r, row = n * q_.t + q_.at(s);
      const float* x = xw_ + row * kGates * q_.h + first;
      const float* bias = bias_ + first;
      float* h = h_ + row * q_.h + first;
      float* c = (c_ != nullptr ? c_ + row * q_.h : carried_ + n * q_.h) + first;
      const float* before = c_ == nullptr && s > 0 ? c : q_.before(c0_, c_, s, n) + first;
      float* gates = gates_ != nullptr ? gates_ + row * kGates * q_.h + first : nullptr;
      for_lanes(sums.units, [&](std::int64_t j, auto lanes) {
        const auto a = [&](std::int64_t g) {
          return (lanes.load(x + g * q_.h + j) + lanes.load(sums.row(r, g) + j)) +
                 lanes.load(bias + g * q_.h + j);
        };
        const Lanes i = sigmoid(a(0)), f = sigmoid(a(1)), g = tanh(a(2)), o = sigmoid(a(3));
        const Lanes state = fma(f, lanes.load(before + j), i * g);
        lanes.store(state, c + j);
        lanes.store(o * tanh(state), h + j);
        if (gates == nullptr) return;
        lanes.store(i, gates + j);
        lanes.store(f, gates + q_.h + j);
        lanes.store(g, gates + 2 * q_.h + j);
        lanes.store(o, gates + 3 * q_.h + j);
      });
    }
  }

 private:
  Sequence q_;
  const float *xw_, *bias_, *h0_, *c0_;
  float *h_, *c_, *gates_, *carried_;
};

class LstmForward final : public CanonicalKernel {
 public:
  LstmForward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        q_{op.out(0)[0], op.out(0)[1], op.out(0)[2], ops::Lstm::from(op.attributes).reverse},
        training_(op.outputs.size() > 1),
        product_(q_.n, q_.h, kGates, q_.h) {
    info_.pack_bytes = product_.pack_bytes();
    if (info_.pack_bytes > 0) info_.packed_inputs = 1u << 1;
    if (!training_) info_.workspace_bytes = static_cast<std::size_t>(q_.n * q_.h) * sizeof(float);
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
  BackwardSteps(const Sequence& q, const sdk::Exec& exec)
      : q_(q),
        c0_(exec.input<float>(2)),
        c_(exec.input<float>(4)),
        gates_(exec.input<float>(5)),
        grad_h_(exec.input<float>(6)),
        grad_xw_(exec.output<float>(0)),
        grad_h0_(exec.output<float>(3)),
        carried_(exec.output<float>(4)) {}
  StepRows left(std::int64_t s) const override {
    if (s == 0) return {};
    return {grad_xw_ + q_.at(q_.t - s) * kGates * q_.h, q_.t * kGates * q_.h};
  }
  void fetch(std::int64_t s, std::int64_t /*group*/, const StepPart& part) const override {
    if (s == q_.t) return;
    for (std::int64_t r = 0; r < part.rows; ++r) {
      const std::int64_t n = part.first_row + r, step = q_.t - 1 - s;
      const std::int64_t row = n * q_.t + q_.at(step), unit = row * q_.h + part.first_unit;
      for (std::int64_t g = 0; g < kGates; ++g) {
        const std::int64_t gate = (row * kGates + g) * q_.h + part.first_unit;
        fetch_floats(gates_ + gate, part.units);
        fetch_floats(grad_xw_ + gate, part.units);
      }
      fetch_floats(grad_h_ + unit, part.units);
      fetch_floats(q_.before(c0_, c_, step, n) + part.first_unit, part.units);
    }
  }
  void finish(std::int64_t s, const StepSums& sums) const override {
    const std::int64_t first = sums.first_unit, step = q_.t - 1 - s;
    for (std::int64_t r = 0; r < sums.rows; ++r) {
      const float* sum = sums.row(r);
      const std::int64_t n = sums.first_row + r;
      float* carried = carried_ + n * q_.h + first;  // f dc of the step after; at last grad_c0
      if (s == 0) std::fill_n(carried, sums.units, 0.0f);
      if (s == q_.t) {
        std::copy_n(sum, sums.units, grad_h0_ + n * q_.h + first);
        continue;
      }
      const std::int64_t row = n * q_.t + q_.at(step), unit = row * q_.h + first;
      const float* before = q_.before(c0_, c_, step, n) + first;
      const float* gates = gates_ + row * kGates * q_.h + first;
      float* da = grad_xw_ + row * kGates * q_.h + first;
      for_lanes(sums.units, [&](std::int64_t j, auto lanes) {
        const Lanes i = lanes.load(gates + j), f = lanes.load(gates + q_.h + j);
        const Lanes g = lanes.load(gates + 2 * q_.h + j), o = lanes.load(gates + 3 * q_.h + j);
        const Lanes c = lanes.load(c_ + unit + j);
        const Lanes dh = lanes.load(grad_h_ + unit + j) + lanes.load(sum + j);
        const Lanes dc = fma(dh * o, tanh_derivative(c), lanes.load(carried + j));
        lanes.store(f * dc, carried + j);
        lanes.store((dc * g) * sigmoid_slope(i), da + j);
        lanes.store((dc * lanes.load(before + j)) * sigmoid_slope(f), da + q_.h + j);
        lanes.store((dc * i) * tanh_slope(g), da + 2 * q_.h + j);
        lanes.store((dh * tanh(c)) * sigmoid_slope(o), da + 3 * q_.h + j);
      });
    }
  }

 private:
  Sequence q_;
  const float *c0_, *c_, *gates_, *grad_h_;
  float *grad_xw_, *grad_h0_, *carried_;
};

class LstmBackward final : public CanonicalKernel {
 public:
  LstmBackward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        q_{op.in(3)[0], op.in(3)[1], op.in(3)[2], ops::Lstm::from(op.attributes).reverse},
        product_(q_.n, q_.h, 1, kGates * q_.h),
        weights_(q_, kGates) {
    info_.pack_bytes = product_.pack_bytes();
    if (info_.pack_bytes > 0) info_.packed_inputs = 1u << 0;
    info_.workspace_bytes =
        std::max(weights_.workspace_bytes(), column_sums_bytes(q_.n * q_.t, kGates * q_.h));
  }
  void pack(const sdk::Exec& exec, void* pack) const override {
    product_.pack(parallel(), exec.threads(), exec.input<float>(0), Along::outer,
                  static_cast<float*>(pack));
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const int threads = exec.threads();
    product_.run(parallel(), threads, q_.t + 1, exec.pack<float>(), BackwardSteps(q_, exec));
    const float* du = exec.output<float>(0);
    weights_.run(parallel(), threads, du, exec.input<float>(1), exec.input<float>(3),
                 exec.output<float>(1), exec.workspace());
    column_sums(parallel(), threads, du, q_.n * q_.t, kGates * q_.h, false, exec.output<float>(2),
                exec.workspace<float>());
  }

  Sequence q_;
  RecurrentProduct product_;
  RecurrentWeights weights_;
};

template <class Kernel>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<Kernel>(op, parallel);
}

}  // namespace

std::span<const Entry> lstm_kernels() {
  static constexpr Entry kEntries[] = {{ops::Lstm::kForward, &make<LstmForward>},
                                       {ops::Lstm::kBackward, &make<LstmBackward>}};
  return kEntries;
}

}  // namespace soma::common
