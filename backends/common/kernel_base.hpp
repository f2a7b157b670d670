#pragma once

#include <memory>
#include <span>
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

/// One op id and what prepares it; `op` is complete and checked.
struct Entry {
  const char* id;
  KernelPtr (*make)(const Op& op, const Parallel& parallel);
};

// The kernels of each op family, in the file of the same name.
std::span<const Entry> linear_kernels();
std::span<const Entry> matmul_kernels();
std::span<const Entry> conv2d_kernels();
std::span<const Entry> conv2d_weights_kernels();
std::span<const Entry> pool2d_kernels();
std::span<const Entry> activation_kernels();
std::span<const Entry> prelu_kernels();
std::span<const Entry> pointwise_kernels();
std::span<const Entry> softmax_kernels();
std::span<const Entry> loss_kernels();
std::span<const Entry> elementwise_loss_kernels();
std::span<const Entry> optimizer_kernels();
std::span<const Entry> adaptive_optimizer_kernels();
std::span<const Entry> regularization_kernels();
std::span<const Entry> arithmetic_kernels();
std::span<const Entry> axis_reduction_kernels();
std::span<const Entry> arrangement_kernels();
std::span<const Entry> permute_kernels();
std::span<const Entry> upsample2d_kernels();
std::span<const Entry> embedding_kernels();
std::span<const Entry> dropout_kernels();
std::span<const Entry> normalization_kernels();
std::span<const Entry> recurrent_kernels();
std::span<const Entry> attention_kernels();

}  // namespace soma::common
