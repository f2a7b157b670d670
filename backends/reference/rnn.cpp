#include <cmath>

#include "recurrent.hpp"
#include "reductions.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::reference {
namespace {

template <class T>
class RnnForward final : public LoopKernel<T> {
 public:
  explicit RnnForward(const Op& op)
      : q_{op.out(0)[0], op.out(0)[1], op.out(0)[2], ops::Rnn::from(op.attributes).reverse},
        relu_(ops::Rnn::from(op.attributes).activation == "relu") {
    this->info_.workspace_bytes = sizeof(T) * op.in(3).elements();
  }

 private:
  void run(const sdk::Exec& exec) const override {
    const T *xw = exec.input<T>(0), *u = exec.input<T>(1), *bias = exec.input<T>(2);
    const T* h0 = exec.input<T>(3);
    T *h = exec.output<T>(0), *sums = exec.workspace<T>();
    for (std::int64_t s = 0; s < q_.t; ++s) {
      contract<T>(q_.n, q_.h, q_.h, q_.before(h0, h, s), {u, 1, q_.h}, sums);
      for (std::int64_t n = 0; n < q_.n; ++n) {
        for (std::int64_t j = 0; j < q_.h; ++j) {
          const std::int64_t at = (n * q_.t + q_.at(s)) * q_.h + j;
          const T a = (xw[at] + sums[n * q_.h + j]) + bias[j];
          h[at] = relu_ ? math::relu(a) : math::tanh(a);
        }
      }
    }
  }
  Sequence<T> q_;
  bool relu_;
};

template <class T>
class RnnBackward final : public LoopKernel<T> {
 public:
  explicit RnnBackward(const Op& op)
      : q_{op.out(0)[0], op.out(0)[1], op.out(0)[2], ops::Rnn::from(op.attributes).reverse},
        relu_(ops::Rnn::from(op.attributes).activation == "relu") {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *u = exec.input<T>(0), *h0 = exec.input<T>(1), *h = exec.input<T>(2);
    const T* grad_h = exec.input<T>(3);
    T *grad_xw = exec.output<T>(0), *sums = exec.output<T>(3);  // the last ones are grad_h0
    std::fill_n(sums, q_.n * q_.h, T(0));
    for (std::int64_t s = q_.t - 1; s >= 0; --s) {
      for (std::int64_t n = 0; n < q_.n; ++n) {
        for (std::int64_t j = 0; j < q_.h; ++j) {
          const std::int64_t at = (n * q_.t + q_.at(s)) * q_.h + j;
          const T dh = grad_h[at] + sums[n * q_.h + j], y = h[at];
          grad_xw[at] = !relu_ ? std::fma(-y, y, T(1)) * dh : y > 0 ? dh : T(0);
        }
      }
      contract<T>(q_.n, q_.h, q_.h, {grad_xw + q_.at(s) * q_.h, q_.t * q_.h, 1}, {u, q_.h, 1},
                  sums);
    }
    recurrent_weights(q_, 1, grad_xw, h0, h, exec.output<T>(1));
    column_sums(grad_xw, q_.n * q_.t, q_.h, false, exec.output<T>(2));
  }
  Sequence<T> q_;
  bool relu_;
};

}  // namespace

std::span<const Entry> rnn_kernels() {
  static const Entry entries[] = {entry<RnnForward>(ops::Rnn::kForward),
                                  entry<RnnBackward>(ops::Rnn::kBackward)};
  return entries;
}

}  // namespace soma::reference
