#include "soma/sdk/ops/activation.hpp"

#include <vector>

#include "kernels.hpp"
#include "soma/sdk/activation_functions.hpp"

namespace soma::reference {
namespace {

// Element i of the output depends on element i of the inputs alone, so the buffers may be the same;
// ivdep tells the compiler so.

template <class T, class Function>
class Forward final : public LoopKernel<T> {
 public:
  Forward(const Op& op, Function function) : function_(function), elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* x = exec.input<T>(0);
    T* y = exec.output<T>(0);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < elements_; ++i) y[i] = function_.f(math::Wrapped<T>(x[i])).v;
  }
  Function function_;
  std::int64_t elements_;
};

template <class T, class Function>
class Backward final : public LoopKernel<T> {
 public:
  Backward(const Op& op, Function function) : function_(function), elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    using Number = math::Wrapped<T>;
    const T *x = exec.input<T>(0), *grad_y = exec.input<T>(1);
    T* grad_x = exec.output<T>(0);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < elements_; ++i) {
      grad_x[i] = math::activation_gradient(function_, Number(x[i]), Number(grad_y[i])).v;
    }
  }
  Function function_;
  std::int64_t elements_;
};

using KernelPtr = std::unique_ptr<sdk::Kernel>;

template <class T>
KernelPtr make(const Op& op) {
  return sdk::visit_activation(ops::Activation::of(op), [&](auto function) -> KernelPtr {
    using Function = decltype(function);
    if (op.direction() == "fwd") return std::make_unique<Forward<T, Function>>(op, function);
    return std::make_unique<Backward<T, Function>>(op, function);
  });
}

KernelPtr make_for_type(const Op& op) {
  switch (op.inputs.at(0).dtype) {
    case DType::f32:
      return make<float>(op);
    case DType::f64:
      return make<double>(op);
    default:
      throw UnsupportedError("reference: expected f32 or f64 for the first input of " + op.str());
  }
}

}  // namespace

std::span<const Entry> activation_kernels() {
  static const std::vector<std::string> ids = ops::activation_ids();
  static const std::vector<Entry> entries = [] {
    std::vector<Entry> list;
    for (const std::string& id : ids) list.push_back({id.c_str(), &make_for_type});
    return list;
  }();
  return entries;
}

}  // namespace soma::reference
