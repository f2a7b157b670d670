#include "table.hpp"

#include <vector>

// Compiled once for each instruction set, under a name of its own.
namespace soma::common {

std::span<const Entry> gaussian_sample_kernels();

namespace {

std::span<const Entry> all_kernels() {
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
                               gaussian_sample_kernels(),
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

CanonicalTable SOMA_CANONICAL_TABLE() { return {all_kernels(), &activation_forward}; }

}  // namespace soma::common
