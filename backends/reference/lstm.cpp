#include <cmath>

#include "recurrent.hpp"
#include "reductions.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::reference {
namespace {

constexpr std::int64_t kGates = ops::Lstm::kGates;

template <class T>
class LstmForward final : public LoopKernel<T> {
 public:
  explicit LstmForward(const Op& op)
      : q_{op.out(0)[0], op.out(0)[1], op.out(0)[2], ops::Lstm::from(op.attributes).reverse},
        training_(op.outputs.size() > 1) {
    this->info_.workspace_bytes = sizeof(T) * (kGates + 1) * op.in(3).elements();
  }

 private:
  void run(const sdk::Exec& exec) const override {
    const T *xw = exec.input<T>(0), *u = exec.input<T>(1), *bias = exec.input<T>(2);
    const T *h0 = exec.input<T>(3), *c0 = exec.input<T>(4);
    T* h = exec.output<T>(0);
    const std::int64_t width = kGates * q_.h;
    T* sums = exec.workspace<T>();
    T* state = sums + q_.n * width;  // c of the step before
    std::copy_n(c0, q_.n * q_.h, state);
    for (std::int64_t s = 0; s < q_.t; ++s) {
      contract<T>(q_.n, width, q_.h, q_.before(h0, h, s), {u, 1, q_.h}, sums);
      for (std::int64_t n = 0; n < q_.n; ++n) {
        const std::int64_t row = n * q_.t + q_.at(s);
        for (std::int64_t j = 0; j < q_.h; ++j) {
          const auto a = [&](std::int64_t gate) {
            const std::int64_t g = gate * q_.h + j;
            return (xw[row * width + g] + sums[n * width + g]) + bias[g];
          };
          const T i = math::sigmoid(a(0)), f = math::sigmoid(a(1)), g = math::tanh(a(2));
          const T o = math::sigmoid(a(3));
          T& c = state[n * q_.h + j];
          c = std::fma(f, c, i * g);
          h[row * q_.h + j] = o * math::tanh(c);
          if (!training_) continue;
          exec.output<T>(1)[row * q_.h + j] = c;
          T* gates = exec.output<T>(2) + row * width + j;
          gates[0] = i;
          gates[q_.h] = f;
          gates[2 * q_.h] = g;
          gates[3 * q_.h] = o;
        }
      }
    }
  }
  Sequence<T> q_;
  bool training_;
};

template <class T>
class LstmBackward final : public LoopKernel<T> {
 public:
  explicit LstmBackward(const Op& op)
      : q_{op.in(3)[0], op.in(3)[1], op.in(3)[2], ops::Lstm::from(op.attributes).reverse} {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *u = exec.input<T>(0), *h0 = exec.input<T>(1), *c0 = exec.input<T>(2);
    const T *h = exec.input<T>(3), *all_c = exec.input<T>(4), *all_gates = exec.input<T>(5);
    const T* grad_h = exec.input<T>(6);
    T* grad_xw = exec.output<T>(0);
    // What comes from the step after; at the end that is what the outputs ask for.
    T *sums = exec.output<T>(3), *carried = exec.output<T>(4);
    const std::int64_t width = kGates * q_.h;
    std::fill_n(sums, q_.n * q_.h, T(0));
    std::fill_n(carried, q_.n * q_.h, T(0));
    for (std::int64_t s = q_.t - 1; s >= 0; --s) {
      const Matrix<T> c_before = q_.before(c0, all_c, s);
      for (std::int64_t n = 0; n < q_.n; ++n) {
        const std::int64_t row = n * q_.t + q_.at(s);
        for (std::int64_t j = 0; j < q_.h; ++j) {
          const T* gates = all_gates + row * width + j;
          const T i = gates[0], f = gates[q_.h], g = gates[2 * q_.h], o = gates[3 * q_.h];
          const T c = all_c[row * q_.h + j], before = c_before.data[n * c_before.row_step + j];
          const T dh = grad_h[row * q_.h + j] + sums[n * q_.h + j];
          const T dc = std::fma(dh * o, math::tanh_derivative(c), carried[n * q_.h + j]);
          carried[n * q_.h + j] = f * dc;
          T* da = grad_xw + row * width + j;
          da[0] = (dc * g) * (i * (1 - i));
          da[q_.h] = (dc * before) * (f * (1 - f));
          da[2 * q_.h] = (dc * i) * std::fma(-g, g, T(1));
          da[3 * q_.h] = (dh * math::tanh(c)) * (o * (1 - o));
        }
      }
      contract<T>(q_.n, q_.h, width, {grad_xw + q_.at(s) * width, q_.t * width, 1}, {u, q_.h, 1},
                  sums);
    }
    recurrent_weights(q_, kGates, grad_xw, h0, h, exec.output<T>(1));
    column_sums(grad_xw, q_.n * q_.t, width, false, exec.output<T>(2));
  }
  Sequence<T> q_;
};

}  // namespace

std::span<const Entry> lstm_kernels() {
  static const Entry entries[] = {entry<LstmForward>(ops::Lstm::kForward),
                                  entry<LstmBackward>(ops::Lstm::kBackward)};
  return entries;
}

}  // namespace soma::reference
