#pragma once

#include <memory>
#include <string>

#include "gemm_micro.hpp"
#include "parallel.hpp"
#include "soma/sdk/backend.hpp"

namespace soma::common {

/// What every canonical kernel has: class exact, its loops, and the canonical floating-point
/// environment around them.
class CanonicalKernel : public sdk::Kernel {
 public:
  void execute(const sdk::Exec& exec) const final {
    const FloatEnvironment environment;
    compute(exec);
  }

 protected:
  explicit CanonicalKernel(const Parallel& parallel) : parallel_(parallel) {
    info_.implementation = std::string("canonical:") + micro_kernels().isa;
  }
  virtual void compute(const sdk::Exec& exec) const = 0;
  const Parallel& parallel() const noexcept { return parallel_; }

 private:
  const Parallel& parallel_;
};

using KernelPtr = std::unique_ptr<sdk::Kernel>;

// The families, one source each; `op` is complete and checked.
KernelPtr make_linear(const Op& op, const Parallel& parallel);
KernelPtr make_matmul(const Op& op, const Parallel& parallel);
KernelPtr make_conv2d(const Op& op, const Parallel& parallel);
KernelPtr make_conv2d_weights(const Op& op, const Parallel& parallel);
KernelPtr make_pool2d(const Op& op, const Parallel& parallel);
KernelPtr make_activation(const Op& op, const Parallel& parallel);
KernelPtr make_add(const Op& op, const Parallel& parallel);
KernelPtr make_softmax(const Op& op, const Parallel& parallel);
KernelPtr make_cross_entropy(const Op& op, const Parallel& parallel);
KernelPtr make_mean_squared_error(const Op& op, const Parallel& parallel);
KernelPtr make_sgd(const Op& op, const Parallel& parallel);
KernelPtr make_adam(const Op& op, const Parallel& parallel);

}  // namespace soma::common
