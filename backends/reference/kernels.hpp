#pragma once

#include <memory>
#include <span>
#include <string>

#include "parallel.hpp"
#include "soma/sdk/backend.hpp"

/// The reference backend: plain serial loops that are the meaning of each op of soma/sdk/ops, for
/// float32 and, as the oracle of the conformance suite, for float64. An op computes in the element
/// type of its first input; everything but integer operands has that type.
namespace soma::reference {

/// A kernel that computes in T, in the canonical floating-point environment.
template <class T>
class LoopKernel : public sdk::Kernel {
 public:
  void execute(const sdk::Exec& exec) const final {
    const common::FloatEnvironment environment;
    run(exec);
  }

 protected:
  LoopKernel() { info_.implementation = sizeof(T) == 4 ? "loops:f32" : "loops:f64"; }
  virtual void run(const sdk::Exec& exec) const = 0;
};

/// One op id and what prepares it.
struct Entry {
  const char* id;
  std::unique_ptr<sdk::Kernel> (*make)(const Op& op);
};

/// An entry for a class template K<T> that is constructed from the op.
/// Static, because g++ 12 gives an instance for a class template of an unnamed namespace external
/// linkage: two files with templates of one name would share it.
template <template <class> class K>
static Entry entry(const char* id) {
  return {id, [](const Op& op) -> std::unique_ptr<sdk::Kernel> {
            switch (op.inputs.at(0).dtype) {
              case DType::f32:
                return std::make_unique<K<float>>(op);
              case DType::f64:
                return std::make_unique<K<double>>(op);
              default:
                throw UnsupportedError("reference: expected f32 or f64 for the first input of " +
                                       op.str() + ", got " + name_of(op.inputs[0].dtype));
            }
          }};
}

// The kernels of each op family, in the file of the same name.
std::span<const Entry> linear_kernels();
std::span<const Entry> matmul_kernels();
std::span<const Entry> conv2d_kernels();
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
std::span<const Entry> upsample2d_kernels();
std::span<const Entry> embedding_kernels();
std::span<const Entry> dropout_kernels();
std::span<const Entry> normalization_kernels();
std::span<const Entry> recurrent_kernels();
std::span<const Entry> attention_kernels();

}  // namespace soma::reference
