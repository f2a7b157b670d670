#include "softmax.hpp"

#include <algorithm>

#include "kernel_base.hpp"
#include "reductions.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma::common {
namespace {

using Lanes = math::F32x8;

// The largest element, or NaN if there is one.
float row_max(const float* x, std::int64_t n) {
  constexpr float kLowest = -__builtin_inff();
  Lanes most(kLowest);
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) most = max(Lanes::load(x + i), most);
  float lane[8];
  most.store(lane);
  math::F32 result(kLowest);
  for (const float v : lane) result = max(math::F32(v), result);
  for (; i < n; ++i) result = max(math::F32(x[i]), result);
  return result.v;
}

class SoftmaxForward final : public CanonicalKernel {
 public:
  SoftmaxForward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), rows_(op.in(0)[0]), classes_(op.in(0)[1]) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    if (classes_ == 0) return;
    const auto* x = exec.input<float>(0);
    auto* y = exec.output<float>(0);
    parallel().run(exec.threads(), rows_, softmax_grain(classes_),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       float sum;
                       softmax_row(x + i * classes_, y + i * classes_, classes_, &sum);
                     }
                   });
  }

  std::int64_t rows_, classes_;
};

class SoftmaxBackward final : public CanonicalKernel {
 public:
  SoftmaxBackward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), rows_(op.in(0)[0]), classes_(op.in(0)[1]) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* all_y = exec.input<float>(0);
    const auto* all_grad = exec.input<float>(1);
    auto* grad_x = exec.output<float>(0);
    parallel().run(exec.threads(), rows_, softmax_grain(classes_),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       const float* y = all_y + i * classes_;
                       const float* grad = all_grad + i * classes_;
                       const Lanes dot(canonical_dot(y, grad, classes_));
                       math::transform_as<Lanes>(y, grad, grad_x + i * classes_, classes_,
                                                 [dot](Lanes p, Lanes g) { return p * (g - dot); });
                     }
                   });
  }

  std::int64_t rows_, classes_;
};

class LogSoftmaxForward final : public CanonicalKernel {
 public:
  LogSoftmaxForward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), rows_(op.in(0)[0]), classes_(op.in(0)[1]) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    if (classes_ == 0) return;
    const auto* all_x = exec.input<float>(0);
    auto* all_y = exec.output<float>(0);
    parallel().run(
        exec.threads(), rows_, softmax_grain(classes_), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const float* x = all_x + i * classes_;
            float* y = all_y + i * classes_;  // holds the exponentials first
            const Lanes most(row_max(x, classes_));
            math::transform_as<Lanes>(x, y, classes_, [most](Lanes v) { return exp(v - most); });
            const Lanes log_sum(math::log(canonical_sum(y, classes_)));
            math::transform_as<Lanes>(x, y, classes_,
                                      [most, log_sum](Lanes v) { return (v - most) - log_sum; });
          }
        });
  }

  std::int64_t rows_, classes_;
};

class LogSoftmaxBackward final : public CanonicalKernel {
 public:
  LogSoftmaxBackward(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), rows_(op.in(0)[0]), classes_(op.in(0)[1]) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* all_y = exec.input<float>(0);
    const auto* all_grad = exec.input<float>(1);
    auto* grad_x = exec.output<float>(0);
    parallel().run(
        exec.threads(), rows_, softmax_grain(classes_), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const float* y = all_y + i * classes_;
            const float* grad = all_grad + i * classes_;
            const Lanes sum(canonical_sum(grad, classes_));
            math::transform_as<Lanes>(y, grad, grad_x + i * classes_, classes_,
                                      [sum](Lanes v, Lanes g) { return g - exp(v) * sum; });
          }
        });
  }

  std::int64_t rows_, classes_;
};

}  // namespace

float softmax_row(const float* x, float* y, std::int64_t n, float* sum) {
  const float most = row_max(x, n);
  math::transform_as<Lanes>(x, y, n, [most](Lanes v) { return exp(v - Lanes(most)); });
  *sum = canonical_sum(y, n);
  const Lanes denominator(*sum);
  math::transform_as<Lanes>(y, y, n, [denominator](Lanes e) { return e / denominator; });
  return most;
}

std::int64_t softmax_grain(std::int64_t n) {
  constexpr std::int64_t kElements = 2048;  // some 5 us of exponentials
  return std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, n));
}

namespace {

template <class Kernel>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<Kernel>(op, parallel);
}

}  // namespace

std::span<const Entry> softmax_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Softmax::kForward, &make<SoftmaxForward>},
      {ops::Softmax::kBackward, &make<SoftmaxBackward>},
      {ops::LogSoftmax::kForward, &make<LogSoftmaxForward>},
      {ops::LogSoftmax::kBackward, &make<LogSoftmaxBackward>},
  };
  return kEntries;
}

}  // namespace soma::common
