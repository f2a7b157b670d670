#include "soma/op_cost.hpp"

#include <cmath>

#include "soma/sdk/ops/attention.hpp"

namespace soma {
namespace {

/// Of a product, in every direction: its three operands have M*K, K*N and M*N elements in each item
/// of the batch, which multiply to (M*K*N)^2.
double product(const Op& op) {
  const auto count = [](const Shape& s) { return static_cast<double>(s.elements()); };
  const double batch = op.family() == "matmul/1" ? static_cast<double>(op.in(0)[0]) : 1;
  return std::sqrt(count(op.in(0)) * count(op.in(1)) * count(op.out(0)) / batch);
}

double multiply_adds(const Op& op) {
  const std::string_view family = op.family();
  const auto count = [](const Shape& s) { return static_cast<double>(s.elements()); };
  if (family == "linear/1" || family == "matmul/1") return product(op);
  if (family == "conv2d/1") {
    const bool weights = op.direction() == "bwd_weights";
    const Shape& weight = weights ? op.out(0) : op.in(1);
    const Shape& result = op.direction() == "fwd" ? op.out(0) : weights ? op.in(1) : op.in(0);
    return count(result) * static_cast<double>(weight.elements_from(1));
  }
  if (family == "attention/1") {  // hidden pairs count too
    const auto l = ops::Attention::layout(op);
    const std::int64_t pairs = l.batch * l.heads * l.queries * l.keys;
    const std::int64_t products = op.direction() == "fwd" ? 1 : 2;
    return static_cast<double>(products * pairs * (l.key_width + l.value_width));
  }
  if (family == "lstm/1" || family == "gru/1" || family == "rnn/1") {
    // One product with the recurrent weights per step; backwards that of the data and that of the
    // weights. xw has G*H columns, u is [G*H,H].
    const bool forward = op.direction() == "fwd";
    const Shape& xw = forward ? op.in(0) : op.out(0);
    const Shape& u = forward ? op.in(1) : op.in(0);
    return count(xw) * static_cast<double>(u[1]) * (forward ? 1 : 2);
  }
  return 0;
}

}  // namespace

double flops(const Op& op) { return 2 * multiply_adds(op); }

double bytes_moved(const Op& op) {
  double bytes = 0;
  for (const auto* tensors : {&op.inputs, &op.outputs}) {
    for (const TensorInfo& t : *tensors) {
      bytes += static_cast<double>(t.shape.elements()) * static_cast<double>(size_bytes(t.dtype));
    }
  }
  return bytes;
}

}  // namespace soma
