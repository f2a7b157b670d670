#include "reductions.hpp"
#include "shared.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/matmul.hpp"

namespace soma::kernels {
namespace {

/// Every direction of linear and matmul: a batch of products, each operand perhaps transposed.
struct Batched {
  std::int64_t batch = 1, rows = 0, cols = 0, depth = 0;
  int left = 0, right = 1;  // inputs of the op
  bool left_transposed = false, right_transposed = false;
};

/// x . weight^T; grad . weight; grad^T . x
Batched linear_product(const Op& op) {
  Batched p;
  if (op.id == ops::Linear::kBackwardWeights) {
    p.left = 1;
    p.right = 0;
    p.left_transposed = true;
  }
  p.right_transposed = op.id == ops::Linear::kForward;
  p.rows = op.out(0)[0];
  p.cols = op.out(0)[1];
  p.depth = op.in(static_cast<std::size_t>(p.left))[p.left_transposed ? 0 : 1];
  return p;
}

/// c = a b, grad_a = grad_c b^T, grad_b = a^T grad_c, where what is stored transposed swaps sides.
Batched matmul_product(const Op& op) {
  const auto m = ops::Matmul::from(op.attributes);
  Batched p;
  p.batch = op.out(0)[0];
  if (op.id == ops::Matmul::kForward) {
    p.left_transposed = m.transpose_a;
    p.right_transposed = m.transpose_b;
  } else if (op.id == ops::Matmul::kBackwardA) {
    p.left = m.transpose_a ? 1 : 0;
    p.right = 1 - p.left;
    p.left_transposed = m.transpose_a && m.transpose_b;
    p.right_transposed = m.transpose_a || !m.transpose_b;
  } else {
    p.left = m.transpose_b ? 1 : 0;
    p.right = 1 - p.left;
    p.left_transposed = m.transpose_b || !m.transpose_a;
    p.right_transposed = m.transpose_b && m.transpose_a;
  }
  p.rows = op.out(0)[1];
  p.cols = op.out(0)[2];
  p.depth = op.in(static_cast<std::size_t>(p.left))[p.left_transposed ? 1 : 2];
  return p;
}

class Products final : public ComposedKernel {
 public:
  Products(const Op& op, const Batched& product, const ComposedBackend::Shared& shared)
      : ComposedKernel(op, shared),
        product_(product),
        finish_(op),
        accumulate_(op.attributes.flag("accumulate")),
        sums_grad_(op.id == ops::Linear::kBackwardWeights && op.outputs.size() > 1) {
    if (accumulate_) need_workspace(product_.rows * product_.cols);
    if (sums_grad_) {
      need_workspace(static_cast<std::int64_t>(
          common::column_sums_bytes(product_.depth, product_.rows) / sizeof(float)));
    }
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const Batched& p = product_;
    const int threads = exec.threads();
    const std::int64_t a_size = p.rows * p.depth, b_size = p.depth * p.cols, size = p.rows * p.cols;
    for (std::int64_t i = 0; i < p.batch; ++i) {
      float* c = exec.output<float>(0) + i * size;
      MatrixProduct product{p.rows, p.cols, p.depth};
      product.a = exec.input<float>(p.left) + i * a_size;
      product.a_row = p.left_transposed ? 1 : p.depth;
      product.a_step = p.left_transposed ? p.rows : 1;
      product.b = exec.input<float>(p.right) + i * b_size;
      product.b_step = p.right_transposed ? 1 : p.cols;
      product.b_col = p.right_transposed ? p.depth : 1;
      product.c = accumulate_ ? exec.workspace<float>() : c;
      product.c_row = p.cols;
      shared_.backend.multiply(product, threads);
      if (accumulate_) put(shared_.loops, threads, product.c, c, size, true);
    }
    finish_.run(shared_.loops, exec, p.rows, p.cols);
    if (sums_grad_) {
      common::column_sums(shared_.loops, threads, exec.input<float>(1), p.depth, p.rows,
                          accumulate_, exec.output<float>(1), exec.workspace<float>());
    }
  }

  Batched product_;
  Finish finish_;
  bool accumulate_, sums_grad_;
};

}  // namespace

std::unique_ptr<sdk::Kernel> compose_linear(const Op& op, const ComposedBackend::Shared& shared) {
  return std::make_unique<Products>(op, linear_product(op), shared);
}

std::unique_ptr<sdk::Kernel> compose_matmul(const Op& op, const ComposedBackend::Shared& shared) {
  return std::make_unique<Products>(op, matmul_product(op), shared);
}

}  // namespace soma::kernels
