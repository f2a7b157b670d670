#include "kernels.hpp"

#include <string_view>

#include "kernel_base.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/loss.hpp"
#include "soma/sdk/ops/matmul.hpp"
#include "soma/sdk/ops/optimizer.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "soma/sdk/ops/pool2d.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma::common {
namespace {

struct Entry {
  const char* id;
  KernelPtr (*make)(const Op&, const Parallel&);
};

constexpr Entry kEntries[] = {
    {ops::Linear::kForward, &make_linear},
    {ops::Linear::kBackwardData, &make_linear},
    {ops::Linear::kBackwardWeights, &make_linear},
    {ops::Matmul::kForward, &make_matmul},
    {ops::Matmul::kBackwardA, &make_matmul},
    {ops::Matmul::kBackwardB, &make_matmul},
    {ops::Conv2d::kForward, &make_conv2d},
    {ops::Conv2d::kBackwardData, &make_conv2d},
    {ops::Conv2d::kBackwardWeights, &make_conv2d_weights},
    {ops::Pool2d::kMaxForward, &make_pool2d},
    {ops::Pool2d::kMaxBackward, &make_pool2d},
    {ops::Pool2d::kAvgForward, &make_pool2d},
    {ops::Pool2d::kAvgBackward, &make_pool2d},
    {"relu/1.fwd", &make_activation},
    {"relu/1.bwd", &make_activation},
    {"sigmoid/1.fwd", &make_activation},
    {"sigmoid/1.bwd", &make_activation},
    {"tanh/1.fwd", &make_activation},
    {"tanh/1.bwd", &make_activation},
    {ops::Add::kForward, &make_add},
    {ops::Softmax::kForward, &make_softmax},
    {ops::Softmax::kBackward, &make_softmax},
    {ops::SoftmaxCrossEntropy::kForward, &make_cross_entropy},
    {ops::SoftmaxCrossEntropy::kBackward, &make_cross_entropy},
    {ops::MeanSquaredError::kForward, &make_mean_squared_error},
    {ops::MeanSquaredError::kBackward, &make_mean_squared_error},
    {ops::Sgd::kStep, &make_sgd},
    {ops::Adam::kStep, &make_adam},
};

struct Ids {
  const char* id[std::size(kEntries)];
};
constexpr Ids kIds = [] {
  Ids ids{};
  for (std::size_t i = 0; i < std::size(kEntries); ++i) ids.id[i] = kEntries[i].id;
  return ids;
}();

}  // namespace

std::unique_ptr<sdk::Kernel> make_canonical_kernel(const Op& op, const Parallel& parallel) {
  for (const auto* tensors : {&op.inputs, &op.outputs}) {
    for (const TensorInfo& tensor : *tensors) {
      if (tensor.dtype == DType::f64) {
        throw UnsupportedError(op.id + ": canonical SIMD kernels compute float32 only");
      }
    }
  }
  for (const Entry& entry : kEntries) {
    if (op.id == entry.id) return entry.make(op, parallel);
  }
  throw UnsupportedError("canonical kernels have no op '" + op.id + "'");
}

std::span<const char* const> canonical_op_ids() { return kIds.id; }

}  // namespace soma::common
