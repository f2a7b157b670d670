#include "activation.hpp"

#include <string>
#include <vector>

#include "kernel_base.hpp"
#include "large_output.hpp"
#include "soma/sdk/activation_functions.hpp"

namespace soma::common {
namespace {

/// Elements worth a piece of their own. Cheap functions stream through memory, 64 KiB a piece; the
/// others cost some ten times as much.
template <class Function>
constexpr std::int64_t grain() {
  const bool cheap = requires { Function::kGated; }
  || std::is_same_v<Function, math::LeakyRelu> || std::is_same_v<Function, math::Square>;
  return cheap ? 16384 : 2048;
}

template <class Function>
class Forward final : public CanonicalKernel {
 public:
  Forward(const Op& op, const Parallel& parallel, Function function)
      : CanonicalKernel(parallel), function_(function), n_(op.out(0).elements()), output_(n_) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    auto* y = exec.output<float>(0);
    parallel().run(exec.threads(), n_, grain<Function>(), [&](std::int64_t i, std::int64_t end) {
      output_.transform([f = function_](Lanes v) { return f.f(v); }, y + i, end - i, x + i);
    });
  }

  Function function_;
  std::int64_t n_;
  LargeOutput output_;
};

template <class Function>
class Backward final : public CanonicalKernel {
 public:
  Backward(const Op& op, const Parallel& parallel, Function function)
      : CanonicalKernel(parallel), function_(function), n_(op.out(0).elements()), output_(n_) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    const auto* grad_y = exec.input<float>(1);
    auto* grad_x = exec.output<float>(0);
    parallel().run(exec.threads(), n_, grain<Function>(), [&](std::int64_t i, std::int64_t end) {
      const auto gradient = [f = function_](Lanes v, Lanes g) {
        return math::activation_gradient(f, v, g);
      };
      output_.transform(gradient, grad_x + i, end - i, x + i, grad_y + i);
    });
  }

  Function function_;
  std::int64_t n_;
  LargeOutput output_;
};

KernelPtr make_activation(const Op& op, const Parallel& parallel) {
  return sdk::visit_activation(ops::Activation::of(op), [&](auto function) -> KernelPtr {
    using Function = decltype(function);
    if (op.direction() == "fwd") {
      return std::make_unique<Forward<Function>>(op, parallel, function);
    }
    return std::make_unique<Backward<Function>>(op, parallel, function);
  });
}

}  // namespace

PointwiseFunction activation_forward(std::string_view name) {
  // A named activation has the parameters that its type has by default.
  return sdk::visit_activation(name, [](auto function) -> PointwiseFunction {
    return [](const float* x, float* y, std::int64_t n) {
      math::transform(x, y, n, [](auto v) { return decltype(function)().f(v); });
    };
  });
}

std::span<const Entry> activation_kernels() {
  static const std::vector<std::string> ids = ops::activation_ids();
  static const std::vector<Entry> entries = [] {
    std::vector<Entry> list;
    for (const std::string& id : ids) list.push_back({id.c_str(), &make_activation});
    return list;
  }();
  return entries;
}

}  // namespace soma::common
