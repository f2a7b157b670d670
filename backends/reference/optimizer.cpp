#include "soma/sdk/ops/optimizer.hpp"

#include <cmath>

#include "constants.hpp"
#include "kernels.hpp"

namespace soma::reference {
namespace {

// Outputs may be the inputs of the same name; element i depends on element i alone.

template <class T>
class SgdStep final : public LoopKernel<T> {
 public:
  explicit SgdStep(const Op& op)
      : op_(ops::Sgd::from(op.attributes)), elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *weight = exec.input<T>(0), *grad = exec.input<T>(1);
    const T lr = *exec.input<T>(2);
    T* new_weight = exec.output<T>(0);
    const T momentum = constant<T>(op_.momentum), weight_decay = constant<T>(op_.weight_decay);
    const bool decays = op_.weight_decay != 0, nesterov = op_.nesterov;
    if (op_.momentum == 0) {
      // Without velocity v = g, and d = fma(0, g, g) = g.
#pragma GCC ivdep
      for (std::int64_t i = 0; i < elements_; ++i) {
        const T g = decays ? std::fma(weight_decay, weight[i], grad[i]) : grad[i];
        new_weight[i] = std::fma(-lr, g, weight[i]);
      }
      return;
    }
    const T* velocity = exec.input<T>(3);
    T* new_velocity = exec.output<T>(1);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < elements_; ++i) {
      const T g = decays ? std::fma(weight_decay, weight[i], grad[i]) : grad[i];
      const T v = std::fma(momentum, velocity[i], g);
      const T d = nesterov ? std::fma(momentum, v, g) : v;
      new_velocity[i] = v;
      new_weight[i] = std::fma(-lr, d, weight[i]);
    }
  }
  ops::Sgd op_;
  std::int64_t elements_;
};

template <class T>
class AdamStep final : public LoopKernel<T> {
 public:
  explicit AdamStep(const Op& op)
      : op_(ops::Adam::from(op.attributes)), elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *weight = exec.input<T>(0), *grad = exec.input<T>(1), *scalars = exec.input<T>(2);
    const T *m = exec.input<T>(3), *v = exec.input<T>(4);
    T *new_weight = exec.output<T>(0), *new_m = exec.output<T>(1), *new_v = exec.output<T>(2);
    const T step_size = scalars[0], v_correction = scalars[1];
    const T beta1 = constant<T>(op_.beta1), one_minus_beta1 = constant<T>(1 - op_.beta1);
    const T beta2 = constant<T>(op_.beta2), one_minus_beta2 = constant<T>(1 - op_.beta2);
    const T epsilon = constant<T>(op_.epsilon), weight_decay = constant<T>(op_.weight_decay);
    const bool decays = op_.weight_decay != 0;
#pragma GCC ivdep
    for (std::int64_t i = 0; i < elements_; ++i) {
      const T g = decays ? std::fma(weight_decay, weight[i], grad[i]) : grad[i];
      const T mi = std::fma(beta1, m[i], one_minus_beta1 * g);
      const T vi = std::fma(beta2, v[i], one_minus_beta2 * (g * g));
      new_m[i] = mi;
      new_v[i] = vi;
      new_weight[i] = weight[i] - (step_size * mi) / (std::sqrt(vi * v_correction) + epsilon);
    }
  }
  ops::Adam op_;
  std::int64_t elements_;
};

}  // namespace

std::span<const Entry> optimizer_kernels() {
  static const Entry entries[] = {entry<SgdStep>(ops::Sgd::kStep),
                                  entry<AdamStep>(ops::Adam::kStep)};
  return entries;
}

}  // namespace soma::reference
