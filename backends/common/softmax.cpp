#include "softmax.hpp"

#include <immintrin.h>

#include <algorithm>

#include "kernel_base.hpp"
#include "lane_sums.hpp"
#include "large_output.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma::common {
namespace {

// The largest element, or NaN if there is one.
float row_max(const float* x, std::int64_t n) {
  constexpr std::int64_t kVectors = 4;
  constexpr float kLowest = -__builtin_inff();
  Lanes most[kVectors] = {kLowest, kLowest, kLowest, kLowest};
  std::int64_t i = 0;
  for (; i + kVectors * kLanes <= n; i += kVectors * kLanes) {
    for (std::int64_t v = 0; v < kVectors; ++v) {
      most[v] = max(Lanes::load(x + i + v * kLanes), most[v]);
    }
  }
  for (; i + kLanes <= n; i += kLanes) most[0] = max(Lanes::load(x + i), most[0]);
  if (i < n) {
    const Lanes last = Lanes::load_partial(x + i, n - i);
    float lane[kLanes];
    last.store(lane);
    std::fill(lane + (n - i), lane + kLanes, kLowest);
    most[1] = max(Lanes::load(lane), most[1]);
  }
  const Lanes all = max(max(most[0], most[1]), max(most[2], most[3]));
  if (any(all != all)) return math::detail::kNan;
  alignas(64) float lane[kLanes];
  all.store(lane);
  __m256 eight = _mm256_load_ps(lane);
  if constexpr (kLanes == 16) eight = _mm256_max_ps(eight, _mm256_load_ps(lane + 8));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// The bits of e / d for many e in [0, 1], or NaN, and one d >= 1. The first guess is two ulp off at
// most, the second less than one, from where a last correction rounds correctly: Markstein, IBM
// Journal of Research and Development 34(1), 1990, theorem on quotients.
class Quotient {
 public:
  explicit Quotient(float d) : d_(d), inverse_(1.0f / d) {}
  Lanes operator()(Lanes e) const {
    // Below, a remainder may have bits that float32 has not.
    if (any(e < Lanes(0x1p-100f) && Lanes(0) < e)) [[unlikely]]
      return e / d_;
    Lanes q = e * inverse_;
    q = fma(fma(-q, d_, e), inverse_, q);
    return fma(fma(-q, d_, e), inverse_, q);
  }

 private:
  Lanes d_, inverse_;
};

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
      : CanonicalKernel(parallel),
        rows_(op.in(0)[0]),
        classes_(op.in(0)[1]),
        output_(rows_ * classes_) {}

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
                       const auto f = [dot](Lanes p, Lanes g) { return p * (g - dot); };
                       output_.transform(f, grad_x + i * classes_, classes_, y, grad);
                     }
                   });
  }

  std::int64_t rows_, classes_;
  LargeOutput output_;
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
            float* y = all_y + i * classes_;
            const Lanes most(row_max(x, classes_));
            const Lanes log_sum(math::log(lane_sum(classes_, [&](std::int64_t c, auto place) {
              return exp(place.load(x + c) - most);
            })));
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
  *sum = lane_sum(n, [&](std::int64_t i, auto place) {
    const Lanes e = exp(place.load(x + i) - Lanes(most));
    place.store(e, y + i);
    return e;
  });
  const Quotient quotient(*sum);
  math::transform_as<Lanes>(y, y, n, quotient);
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
