#include "kernels.hpp"

#include <string_view>
#include <vector>

#include "kernel_base.hpp"

namespace soma::common {
namespace {

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> list;
    for (const auto& family : {linear_kernels(),
                               matmul_kernels(),
                               conv2d_kernels(),
                               conv2d_weights_kernels(),
                               pool2d_kernels(),
                               pointwise_kernels(),
                               activation_kernels(),
                               prelu_kernels(),
                               softmax_kernels(),
                               loss_kernels(),
                               elementwise_loss_kernels(),
                               optimizer_kernels(),
                               adaptive_optimizer_kernels(),
                               regularization_kernels(),
                               arithmetic_kernels(),
                               axis_reduction_kernels(),
                               arrangement_kernels(),
                               permute_kernels(),
                               upsample2d_kernels(),
                               embedding_kernels(),
                               dropout_kernels(),
                               normalization_kernels(),
                               recurrent_kernels(),
                               attention_kernels()}) {
      list.insert(list.end(), family.begin(), family.end());
    }
    return list;
  }();
  return all;
}

}  // namespace

std::unique_ptr<sdk::Kernel> make_canonical_kernel(const Op& op, const Parallel& parallel) {
  for (const auto* tensors : {&op.inputs, &op.outputs}) {
    for (const TensorInfo& tensor : *tensors) {
      if (tensor.dtype == DType::f64) {
        throw UnsupportedError(op.id + ": canonical SIMD kernels compute float32 only");
      }
    }
  }
  for (const Entry& entry : entries()) {
    if (op.id == entry.id) return entry.make(op, parallel);
  }
  throw UnsupportedError("canonical kernels have no op '" + op.id + "'");
}

std::span<const char* const> canonical_op_ids() {
  static const std::vector<const char*> ids = [] {
    std::vector<const char*> list;
    for (const Entry& entry : entries()) list.push_back(entry.id);
    return list;
  }();
  return ids;
}

}  // namespace soma::common
