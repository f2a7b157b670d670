#include "pointwise.hpp"

#include <string>

#include "kernel_base.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/pointwise.hpp"

namespace soma::common {
namespace {

using Lanes = math::WideF32;
using BackwardFunction = void (*)(const float* x, const float* grad_y, float* grad_x,
                                  std::int64_t n);

// Cheap functions stream through memory: 64 KiB a piece. The others cost some ten times as much.
constexpr std::int64_t kCheapGrain = 16384;
constexpr std::int64_t kCostlyGrain = 2048;

struct Relu {
  static constexpr std::int64_t kGrain = kCheapGrain;
  static Lanes f(Lanes x) { return select(Lanes(0) < x || x != x, x, Lanes(0)); }
  static Lanes backward(Lanes x, Lanes grad) { return select(Lanes(0) < x, grad, Lanes(0)); }
};
struct Sigmoid {
  static constexpr std::int64_t kGrain = kCostlyGrain;
  static Lanes f(Lanes x) { return sigmoid(x); }
  static Lanes backward(Lanes x, Lanes grad) { return sigmoid_derivative(x) * grad; }
};
struct Tanh {
  static constexpr std::int64_t kGrain = kCostlyGrain;
  static Lanes f(Lanes x) { return tanh(x); }
  static Lanes backward(Lanes x, Lanes grad) { return tanh_derivative(x) * grad; }
};

template <class F>
void forward(const float* x, float* y, std::int64_t n) {
  math::transform(x, y, n, [](auto v) { return F::f(v); });
}
template <class F>
void backward(const float* x, const float* grad_y, float* grad_x, std::int64_t n) {
  math::transform(x, grad_y, grad_x, n, [](auto v, auto g) { return F::backward(v, g); });
}

struct Activation {
  PointwiseFunction forward;
  BackwardFunction backward;
  std::int64_t grain;
};

Activation find(std::string_view name) {
  if (name == "relu") return {&forward<Relu>, &backward<Relu>, Relu::kGrain};
  if (name == "sigmoid") return {&forward<Sigmoid>, &backward<Sigmoid>, Sigmoid::kGrain};
  if (name == "tanh") return {&forward<Tanh>, &backward<Tanh>, Tanh::kGrain};
  throw UnsupportedError("canonical kernels have no activation '" + std::string(name) + "'");
}

class ActivationKernel final : public CanonicalKernel {
 public:
  ActivationKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        activation_(find(op.family().substr(0, op.family().find('/')))),
        backward_(op.direction() == "bwd"),
        n_(op.out(0).elements()) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    const float* grad = backward_ ? exec.input<float>(1) : nullptr;
    auto* y = exec.output<float>(0);
    parallel().run(exec.threads(), n_, activation_.grain, [&](std::int64_t i, std::int64_t end) {
      if (backward_) {
        activation_.backward(x + i, grad + i, y + i, end - i);
      } else {
        activation_.forward(x + i, y + i, end - i);
      }
    });
  }

  Activation activation_;
  bool backward_;
  std::int64_t n_;
};

class AddKernel final : public CanonicalKernel {
 public:
  AddKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), n_(op.out(0).elements()) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* a = exec.input<float>(0);
    const auto* b = exec.input<float>(1);
    auto* sum = exec.output<float>(0);
    parallel().run(exec.threads(), n_, kCheapGrain, [&](std::int64_t i, std::int64_t end) {
      math::transform(a + i, b + i, sum + i, end - i, [](auto x, auto y) { return x + y; });
    });
  }

  std::int64_t n_;
};

}  // namespace

PointwiseFunction activation_forward(std::string_view name) { return find(name).forward; }

namespace {

KernelPtr make_activation(const Op& op, const Parallel& parallel) {
  return std::make_unique<ActivationKernel>(op, parallel);
}

KernelPtr make_add(const Op& op, const Parallel& parallel) {
  return std::make_unique<AddKernel>(op, parallel);
}

}  // namespace

std::span<const Entry> pointwise_kernels() {
  static constexpr Entry kEntries[] = {
      {"relu/1.fwd", &make_activation},    {"relu/1.bwd", &make_activation},
      {"sigmoid/1.fwd", &make_activation}, {"sigmoid/1.bwd", &make_activation},
      {"tanh/1.fwd", &make_activation},    {"tanh/1.bwd", &make_activation},
      {ops::Add::kForward, &make_add},
  };
  return kEntries;
}

}  // namespace soma::common
