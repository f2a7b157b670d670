#include "soma/sdk/ops/regularization.hpp"

#include <cmath>

#include "constants.hpp"
#include "kernels.hpp"
#include "reductions.hpp"

namespace soma::reference {
namespace {

template <class T>
T squares(const T* x, std::int64_t n) {
  return canonical_sum<T>(n, [&](std::int64_t i) { return x[i] * x[i]; });
}

/// x * (limit / norm) where the norm exceeds the limit, else x. `to` may be x.
template <class T>
void limit_norm(const T* x, std::int64_t n, T squared_norm, T limit, T* to) {
  const T norm = std::sqrt(squared_norm);
  const bool exceeds = limit < norm;
  const T factor = limit / norm;
  for (std::int64_t i = 0; i < n; ++i) to[i] = exceeds ? x[i] * factor : x[i];
}

template <class T>
class Penalty final : public LoopKernel<T> {
 public:
  explicit Penalty(const Op& op)
      : op_(ops::Penalty::from(op.attributes)), elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *grad = exec.input<T>(0), *weight = exec.input<T>(1);
    T* to = exec.output<T>(0);
    const T l1 = constant<T>(op_.l1), l2 = constant<T>(op_.l2);
    for (std::int64_t i = 0; i < elements_; ++i) {
      const T w = weight[i];
      const T sign = 0 < w ? T(1) : w < 0 ? T(-1) : w;
      const T g = op_.l1 != 0 ? std::fma(l1, sign, grad[i]) : grad[i];
      to[i] = op_.l2 != 0 ? std::fma(l2, w, g) : g;
    }
  }
  ops::Penalty op_;
  std::int64_t elements_;
};

template <class T>
class ClipGradient final : public LoopKernel<T> {
 public:
  explicit ClipGradient(const Op& op)
      : limit_(constant<T>(ops::ClipGradient::from(op.attributes).limit)),
        elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad = exec.input<T>(0);
    T* to = exec.output<T>(0);
    for (std::int64_t i = 0; i < elements_; ++i) {
      to[i] = grad[i] < -limit_ ? -limit_ : limit_ < grad[i] ? limit_ : grad[i];
    }
  }
  T limit_;
  std::int64_t elements_;
};

template <class T>
class SquaredNorm final : public LoopKernel<T> {
 public:
  explicit SquaredNorm(const Op& op) : elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    *exec.output<T>(0) = *exec.input<T>(1) + squares(exec.input<T>(0), elements_);
  }
  std::int64_t elements_;
};

template <class T>
class ClipByNorm final : public LoopKernel<T> {
 public:
  explicit ClipByNorm(const Op& op)
      : limit_(constant<T>(ops::ClipByNorm::from(op.attributes).max_norm)),
        elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    limit_norm(exec.input<T>(0), elements_, *exec.input<T>(1), limit_, exec.output<T>(0));
  }
  T limit_;
  std::int64_t elements_;
};

template <class T>
class MaxNorm final : public LoopKernel<T> {
 public:
  explicit MaxNorm(const Op& op)
      : limit_(constant<T>(ops::MaxNorm::from(op.attributes).limit)),
        units_(op.in(0)[0]),
        length_(op.in(0).elements_from(1)) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* weight = exec.input<T>(0);
    T* to = exec.output<T>(0);
    for (std::int64_t k = 0; k < units_; ++k) {
      const T* unit = weight + k * length_;
      limit_norm(unit, length_, squares(unit, length_), limit_, to + k * length_);
    }
  }
  T limit_;
  std::int64_t units_, length_;
};

}  // namespace

std::span<const Entry> regularization_kernels() {
  static const Entry entries[] = {
      entry<Penalty>(ops::Penalty::kForward), entry<ClipGradient>(ops::ClipGradient::kForward),
      entry<SquaredNorm>(ops::SquaredNorm::kForward), entry<ClipByNorm>(ops::ClipByNorm::kForward),
      entry<MaxNorm>(ops::MaxNorm::kForward)};
  return entries;
}

}  // namespace soma::reference
