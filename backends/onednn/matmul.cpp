#include "soma/sdk/ops/matmul.hpp"

#include "kernels.hpp"

namespace soma::onednn {

MatrixProduct matmul_product(const Op& op) {
  const ops::Matmul matmul = ops::Matmul::from(op.attributes);
  const bool ta = matmul.transpose_a, tb = matmul.transpose_b;
  MatrixProduct product;
  product.batch = op.out(0)[0];
  product.rows = op.out(0)[1];
  product.cols = op.out(0)[2];
  product.accumulate = matmul.accumulate;
  const auto operands = [&](int left, bool left_transposed, int right, bool right_transposed) {
    product.left = left;
    product.left_transposed = left_transposed;
    product.right = right;
    product.right_transposed = right_transposed;
    product.depth = op.in(static_cast<std::size_t>(left))[left_transposed ? 1 : 2];
  };
  if (op.id == ops::Matmul::kForward) {
    operands(0, ta, 1, tb);
  } else if (op.id == ops::Matmul::kBackwardA) {  // inputs grad_c, b
    if (ta) {
      operands(1, tb, 0, true);  // grad_a [K,M] = b [K,N] * grad_c^T
    } else {
      operands(0, false, 1, !tb);  // grad_a [M,K] = grad_c * b^T
    }
  } else {  // inputs a, grad_c
    if (tb) {
      operands(1, true, 0, ta);  // grad_b [N,K] = grad_c^T * a
    } else {
      operands(0, !ta, 1, false);  // grad_b [K,N] = a^T * grad_c
    }
  }
  return product;
}

}  // namespace soma::onednn
