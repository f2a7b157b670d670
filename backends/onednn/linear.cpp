#include "soma/sdk/ops/linear.hpp"

#include "kernels.hpp"

namespace soma::onednn {

MatrixProduct linear_product(const Op& op) {
  const ops::Linear linear = ops::Linear::from(op.attributes);
  MatrixProduct product;
  product.rows = op.out(0)[0];
  product.cols = op.out(0)[1];
  if (op.id == ops::Linear::kBackwardWeights) {  // [N,K] = grad_output^T [N,M] * input [M,K]
    product.depth = op.in(0)[0];
    product.left = 1;
    product.right = 0;
    product.left_transposed = true;
    product.sum_left = linear.epilogue.bias;
    product.accumulate = linear.accumulate;
  } else {  // input * weight^T, or grad_output * weight
    product.depth = op.in(0)[1];
    product.right_transposed = op.id == ops::Linear::kForward;
    product.pack_right = op.purpose == Purpose::infer;
    product.epilogue = linear.epilogue;
  }
  return product;
}

}  // namespace soma::onednn
