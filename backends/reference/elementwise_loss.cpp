#include "soma/sdk/ops/elementwise_loss.hpp"

#include <cmath>

#include "constants.hpp"
#include "kernels.hpp"
#include "reductions.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma::reference {
namespace {

// A loss L<T> says what an element costs (item) and the slope of that, from prediction p and
// target t; `elements` and `rows` are n and N of the header.

template <class T>
struct AbsoluteError {
  using Family = ops::MeanAbsoluteError;
  explicit AbsoluteError(const Family&) {}
  static T item(T p, T t) { return std::abs(p - t); }
  static T slope(T p, T t) {
    const T d = p - t;
    return d > 0 ? T(1) : d < 0 ? T(-1) : d;
  }
  static std::int64_t divisor(std::int64_t elements, std::int64_t) { return elements; }
};

template <class T>
struct HuberError {
  using Family = ops::Huber;
  explicit HuberError(const Family& op) : delta(constant<T>(op.delta)) {}
  T item(T p, T t) const {
    const T size = std::abs(p - t);
    const T m = size <= delta ? size : delta;
    return m * (size - T(0.5) * m);
  }
  T slope(T p, T t) const {
    const T d = p - t;
    return d < -delta ? -delta : delta < d ? delta : d;
  }
  static std::int64_t divisor(std::int64_t elements, std::int64_t) { return elements; }
  T delta;
};

template <class T>
struct BinaryCrossEntropy {
  using Family = ops::BinaryCrossEntropyWithLogits;
  explicit BinaryCrossEntropy(const Family& op) : weight(constant<T>(op.pos_weight)) {}
  T item(T p, T t) const {
    const T l = math::log1p(math::exp(-std::abs(p)));
    const T below = -p < 0 ? T(0) : -p, above = p < 0 ? T(0) : p;
    return (weight * t) * (below + l) + (T(1) - t) * (above + l);
  }
  T slope(T p, T t) const {
    const T e = math::exp(-std::abs(p));
    const T large = T(1) / (T(1) + e), small = e / (T(1) + e);
    const T a = T(0) <= p ? large : small, b = T(0) <= p ? small : large;
    return (T(1) - t) * a - (weight * t) * b;
  }
  static std::int64_t divisor(std::int64_t elements, std::int64_t) { return elements; }
  T weight;
};

template <class T>
struct Divergence {
  using Family = ops::KlDivergence;
  explicit Divergence(const Family&) {}
  static T item(T p, T t) { return t == 0 ? T(0) : t * (math::log(t) - p); }
  static T slope(T, T t) { return -t; }
  static std::int64_t divisor(std::int64_t, std::int64_t rows) { return rows; }
};

template <class T>
struct HingeError {
  using Family = ops::Hinge;
  explicit HingeError(const Family& op) : squared(op.squared) {}
  T item(T p, T t) const {
    const T m = std::fma(-t, p, T(1));
    const T missing = m <= 0 ? T(0) : m;
    return squared ? missing * missing : missing;
  }
  T slope(T p, T t) const {
    const T m = std::fma(-t, p, T(1));
    if (!(0 < m)) return 0;
    return squared ? (T(-2) * m) * t : -t;
  }
  static std::int64_t divisor(std::int64_t elements, std::int64_t) { return elements; }
  bool squared;
};

template <class T>
struct SquaredError {
  using Family = ops::MeanSquaredError;
  explicit SquaredError(const Family&) {}
  static T item(T p, T t) {
    const T d = p - t;
    return d * d;
  }
  static std::int64_t divisor(std::int64_t elements, std::int64_t) { return elements; }
};

std::int64_t rows_of(const Shape& shape) { return shape.rank() == 0 ? 1 : shape[0]; }

template <class T, template <class> class L>
class Forward final : public LoopKernel<T> {
 public:
  explicit Forward(const Op& op)
      : loss_(L<T>::Family::from(op.attributes)),
        elements_(op.in(0).elements()),
        divisor_(L<T>::divisor(elements_, rows_of(op.in(0)))),
        mean_(ops::reduction_from(op.attributes) == ops::Reduction::mean),
        items_(op.outputs.size() > 1) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *prediction = exec.input<T>(0), *target = exec.input<T>(1);
    T* items = items_ ? exec.output<T>(1) : nullptr;
    const T total = canonical_sum<T>(elements_, [&](std::int64_t i) {
      const T item = loss_.item(prediction[i], target[i]);
      if (items != nullptr) items[i] = item;
      return item;
    });
    *exec.output<T>(0) = elements_ == 0 ? T(0) : mean_ ? total / static_cast<T>(divisor_) : total;
  }
  L<T> loss_;
  std::int64_t elements_, divisor_;
  bool mean_, items_;
};

template <class T, template <class> class L>
class Backward final : public LoopKernel<T> {
 public:
  explicit Backward(const Op& op)
      : loss_(L<T>::Family::from(op.attributes)),
        elements_(op.in(0).elements()),
        divisor_(L<T>::divisor(elements_, rows_of(op.in(0)))),
        mean_(ops::reduction_from(op.attributes) == ops::Reduction::mean) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *prediction = exec.input<T>(0), *target = exec.input<T>(1);
    const T grad_loss = *exec.input<T>(2);
    T* grad_prediction = exec.output<T>(0);
    const T scale = mean_ ? grad_loss / static_cast<T>(divisor_) : grad_loss;
    for (std::int64_t i = 0; i < elements_; ++i) {
      grad_prediction[i] = loss_.slope(prediction[i], target[i]) * scale;
    }
  }
  L<T> loss_;
  std::int64_t elements_, divisor_;
  bool mean_;
};

template <class T>
class SquaredErrorBackward final : public LoopKernel<T> {
 public:
  explicit SquaredErrorBackward(const Op& op)
      : elements_(op.in(0).elements()),
        mean_(ops::reduction_from(op.attributes) == ops::Reduction::mean) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *prediction = exec.input<T>(0), *target = exec.input<T>(1);
    T* grad_prediction = exec.output<T>(0);
    const T scale = (mean_ ? T(2) / static_cast<T>(elements_) : T(2)) * *exec.input<T>(2);
    for (std::int64_t i = 0; i < elements_; ++i) {
      grad_prediction[i] = (prediction[i] - target[i]) * scale;
    }
  }
  std::int64_t elements_;
  bool mean_;
};

template <class T>
using SquaredErrorForward = Forward<T, SquaredError>;
template <class T>
using AbsoluteErrorForward = Forward<T, AbsoluteError>;
template <class T>
using AbsoluteErrorBackward = Backward<T, AbsoluteError>;
template <class T>
using HuberForward = Forward<T, HuberError>;
template <class T>
using HuberBackward = Backward<T, HuberError>;
template <class T>
using BinaryCrossEntropyForward = Forward<T, BinaryCrossEntropy>;
template <class T>
using BinaryCrossEntropyBackward = Backward<T, BinaryCrossEntropy>;
template <class T>
using DivergenceForward = Forward<T, Divergence>;
template <class T>
using DivergenceBackward = Backward<T, Divergence>;
template <class T>
using HingeForward = Forward<T, HingeError>;
template <class T>
using HingeBackward = Backward<T, HingeError>;

}  // namespace

std::span<const Entry> elementwise_loss_kernels() {
  static const Entry entries[] = {
      entry<SquaredErrorForward>(ops::MeanSquaredError::kForward),
      entry<SquaredErrorBackward>(ops::MeanSquaredError::kBackward),
      entry<AbsoluteErrorForward>(ops::MeanAbsoluteError::kForward),
      entry<AbsoluteErrorBackward>(ops::MeanAbsoluteError::kBackward),
      entry<HuberForward>(ops::Huber::kForward),
      entry<HuberBackward>(ops::Huber::kBackward),
      entry<BinaryCrossEntropyForward>(ops::BinaryCrossEntropyWithLogits::kForward),
      entry<BinaryCrossEntropyBackward>(ops::BinaryCrossEntropyWithLogits::kBackward),
      entry<DivergenceForward>(ops::KlDivergence::kForward),
      entry<DivergenceBackward>(ops::KlDivergence::kBackward),
      entry<HingeForward>(ops::Hinge::kForward),
      entry<HingeBackward>(ops::Hinge::kBackward)};
  return entries;
}

}  // namespace soma::reference
