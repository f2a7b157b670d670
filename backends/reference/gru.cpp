#include <cmath>

#include "recurrent.hpp"
#include "reductions.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::reference {
namespace {

constexpr std::int64_t kGates = ops::Gru::kGates, kSaved = ops::Gru::kSaved;

template <class T>
class GruForward final : public LoopKernel<T> {
 public:
  explicit GruForward(const Op& op)
      : q_{op.out(0)[0], op.out(0)[1], op.out(0)[2], ops::Gru::from(op.attributes).reverse},
        training_(op.outputs.size() > 1) {
    this->info_.workspace_bytes = sizeof(T) * kGates * op.in(4).elements();
  }

 private:
  void run(const sdk::Exec& exec) const override {
    const T *xw = exec.input<T>(0), *u = exec.input<T>(1), *bias = exec.input<T>(2);
    const T *bias_u = exec.input<T>(3), *h0 = exec.input<T>(4);
    T *h = exec.output<T>(0), *sums = exec.workspace<T>();
    const std::int64_t width = kGates * q_.h;
    for (std::int64_t s = 0; s < q_.t; ++s) {
      const Matrix<T> h_before = q_.before(h0, h, s);
      contract<T>(q_.n, width, q_.h, h_before, {u, 1, q_.h}, sums);
      for (std::int64_t n = 0; n < q_.n; ++n) {
        const std::int64_t row = n * q_.t + q_.at(s);
        for (std::int64_t j = 0; j < q_.h; ++j) {
          const T *x = xw + row * width + j, *sum = sums + n * width + j;
          const T r = math::sigmoid((x[0] + sum[0]) + bias[j]);
          const T z = math::sigmoid((x[q_.h] + sum[q_.h]) + bias[q_.h + j]);
          const T q = sum[2 * q_.h] + bias_u[j];
          const T m = math::tanh(std::fma(r, q, x[2 * q_.h] + bias[2 * q_.h + j]));
          const T before = h_before.data[n * h_before.row_step + j];
          h[row * q_.h + j] = std::fma(z, before, (1 - z) * m);
          if (!training_) continue;
          T* gates = exec.output<T>(1) + row * kSaved * q_.h + j;
          gates[0] = r;
          gates[q_.h] = z;
          gates[2 * q_.h] = m;
          gates[3 * q_.h] = q;
        }
      }
    }
  }
  Sequence<T> q_;
  bool training_;
};

template <class T>
class GruBackward final : public LoopKernel<T> {
 public:
  explicit GruBackward(const Op& op)
      : q_{op.in(2)[0], op.in(2)[1], op.in(2)[2], ops::Gru::from(op.attributes).reverse} {
    // du, the sums of its columns, and what each dh gives to the state before directly.
    this->info_.workspace_bytes =
        sizeof(T) * (op.out(0).elements() + op.out(2).elements() + op.out(4).elements());
  }

 private:
  void run(const sdk::Exec& exec) const override {
    const T *u = exec.input<T>(0), *h0 = exec.input<T>(1), *h = exec.input<T>(2);
    const T *all_gates = exec.input<T>(3), *grad_h = exec.input<T>(4);
    T *grad_xw = exec.output<T>(0), *from_after = exec.output<T>(4);  // at the end grad_h0
    const std::int64_t width = kGates * q_.h, states = q_.n * q_.h;
    T* all_du = exec.workspace<T>();
    T *bias_sums = all_du + q_.n * q_.t * width, *direct = bias_sums + width;
    std::fill_n(from_after, states, T(0));
    for (std::int64_t s = q_.t - 1; s >= 0; --s) {
      const Matrix<T> h_before = q_.before(h0, h, s);
      for (std::int64_t n = 0; n < q_.n; ++n) {
        const std::int64_t row = n * q_.t + q_.at(s);
        for (std::int64_t j = 0; j < q_.h; ++j) {
          const T* gates = all_gates + row * kSaved * q_.h + j;
          const T r = gates[0], z = gates[q_.h], m = gates[2 * q_.h], q = gates[3 * q_.h];
          const T before = h_before.data[n * h_before.row_step + j];
          const T dh = grad_h[row * q_.h + j] + from_after[n * q_.h + j];
          direct[n * q_.h + j] = dh * z;
          const T dn = (dh * (1 - z)) * std::fma(-m, m, T(1));
          T *da = grad_xw + row * width + j, *du = all_du + row * width + j;
          da[0] = du[0] = (dn * q) * (r * (1 - r));
          da[q_.h] = du[q_.h] = (dh * (before - m)) * (z * (1 - z));
          da[2 * q_.h] = dn;
          du[2 * q_.h] = dn * r;
        }
      }
      contract<T>(q_.n, q_.h, width, {all_du + q_.at(s) * width, q_.t * width, 1}, {u, q_.h, 1},
                  from_after);
      for (std::int64_t i = 0; i < states; ++i) from_after[i] += direct[i];
    }
    recurrent_weights(q_, kGates, all_du, h0, h, exec.output<T>(1));
    column_sums(grad_xw, q_.n * q_.t, width, false, exec.output<T>(2));
    column_sums(all_du, q_.n * q_.t, width, false, bias_sums);
    std::copy_n(bias_sums + 2 * q_.h, q_.h, exec.output<T>(3));
  }
  Sequence<T> q_;
};

}  // namespace

std::span<const Entry> gru_kernels() {
  static const Entry entries[] = {entry<GruForward>(ops::Gru::kForward),
                                  entry<GruBackward>(ops::Gru::kBackward)};
  return entries;
}

}  // namespace soma::reference
