#include "soma/sdk/ops/pointwise.hpp"

#include "kernels.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma::reference {
namespace {

// Element i of the output depends on element i of the inputs alone, so the buffers may be the same;
// ivdep tells the compiler so.

struct Relu {
  template <class T>
  static T forward(T x) {
    return math::relu(x);
  }
  template <class T>
  static T backward(T x, T grad_y) {
    return x > 0 ? grad_y : T(0);  // a choice, not a product: 0 * inf would be NaN
  }
};

struct Sigmoid {
  template <class T>
  static T forward(T x) {
    return math::sigmoid(x);
  }
  template <class T>
  static T backward(T x, T grad_y) {
    return math::sigmoid_derivative(x) * grad_y;
  }
};

struct Tanh {
  template <class T>
  static T forward(T x) {
    return math::tanh(x);
  }
  template <class T>
  static T backward(T x, T grad_y) {
    return math::tanh_derivative(x) * grad_y;
  }
};

template <class Function>
struct Activation {
  template <class T>
  class Forward final : public LoopKernel<T> {
   public:
    explicit Forward(const Op& op) : elements_(op.in(0).elements()) {}

   private:
    void run(const sdk::Exec& exec) const override {
      const T* x = exec.input<T>(0);
      T* y = exec.output<T>(0);
#pragma GCC ivdep
      for (std::int64_t i = 0; i < elements_; ++i) y[i] = Function::forward(x[i]);
    }
    std::int64_t elements_;
  };

  template <class T>
  class Backward final : public LoopKernel<T> {
   public:
    explicit Backward(const Op& op) : elements_(op.in(0).elements()) {}

   private:
    void run(const sdk::Exec& exec) const override {
      const T *x = exec.input<T>(0), *grad_y = exec.input<T>(1);
      T* grad_x = exec.output<T>(0);
#pragma GCC ivdep
      for (std::int64_t i = 0; i < elements_; ++i) {
        grad_x[i] = Function::backward(x[i], grad_y[i]);
      }
    }
    std::int64_t elements_;
  };
};

template <class T>
class Add final : public LoopKernel<T> {
 public:
  explicit Add(const Op& op) : elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *a = exec.input<T>(0), *b = exec.input<T>(1);
    T* sum = exec.output<T>(0);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < elements_; ++i) sum[i] = a[i] + b[i];
  }
  std::int64_t elements_;
};

}  // namespace

std::span<const Entry> pointwise_kernels() {
  static const Entry entries[] = {entry<Activation<Relu>::Forward>("relu/1.fwd"),
                                  entry<Activation<Relu>::Backward>("relu/1.bwd"),
                                  entry<Activation<Sigmoid>::Forward>("sigmoid/1.fwd"),
                                  entry<Activation<Sigmoid>::Backward>("sigmoid/1.bwd"),
                                  entry<Activation<Tanh>::Forward>("tanh/1.fwd"),
                                  entry<Activation<Tanh>::Backward>("tanh/1.bwd"),
                                  entry<Add>(ops::Add::kForward)};
  return entries;
}

}  // namespace soma::reference
