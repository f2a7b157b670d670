#include "soma/sdk/ops/matmul.hpp"

#include "kernel_base.hpp"
#include "matrix_source.hpp"

namespace soma::common {
namespace {

// Runs loops where they are; for products inside a body that is already parallel.
class Inline final : public Parallel {
 public:
  void run(int, std::int64_t n, std::int64_t, Body body) const override {
    if (n > 0) body(0, n);
  }
};

// Where an operand lies in memory: its place among the inputs, its stride and direction.
struct Place {
  int input;
  std::int64_t stride;
  Along along;
};

class MatmulKernel final : public CanonicalKernel {
 public:
  MatmulKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), accumulate_(ops::Matmul::from(op.attributes).accumulate) {
    const auto matmul = ops::Matmul::from(op.attributes);
    const bool ta = matmul.transpose_a, tb = matmul.transpose_b;
    const bool forward = op.id == ops::Matmul::kForward, for_a = op.id == ops::Matmul::kBackwardA;
    const Shape& c = forward ? op.out(0) : op.in(for_a ? 0 : 1);
    const Shape& a = for_a ? op.out(0) : op.in(0);
    const std::int64_t m = c[1], n = c[2], k = a[ta ? 1 : 2];
    const int a_at = 0, b_at = 1, c_at = for_a ? 0 : 1;
    // Element (row, column) of each matrix: direction along its columns or along its rows.
    const Place a_by_m{a_at, ta ? m : k, ta ? Along::outer : Along::terms};
    const Place a_by_k{a_at, ta ? m : k, ta ? Along::terms : Along::outer};
    const Place b_by_n{b_at, tb ? k : n, tb ? Along::terms : Along::outer};
    const Place b_by_k{b_at, tb ? k : n, tb ? Along::outer : Along::terms};
    const Place c_by_m{c_at, n, Along::terms}, c_by_n{c_at, n, Along::outer};
    if (forward) {
      set(a_by_m, b_by_n, m, n, k);
    } else if (for_a) {
      ta ? set(b_by_k, c_by_m, k, m, n) : set(c_by_m, b_by_k, m, k, n);
    } else {
      tb ? set(c_by_n, a_by_k, n, k, m) : set(a_by_k, c_by_n, k, n, m);
    }
    batch_ = c[0];
    // Many small products: one task each; a few big ones: each in parallel.
    constexpr double kOneTask = 4e6;
    by_item_ = batch_ > 1 &&
               static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) < kOneTask;
    const auto schedule =
        by_item_ ? Gemm::Schedule::private_b : Gemm::choose_deep(rows_, cols_, terms_);
    gemm_ = Gemm(rows_, cols_, terms_, schedule, accumulate_);
    item_workspace_ = gemm_.workspace_bytes(false);
    info_.workspace_bytes = item_workspace_ * static_cast<std::size_t>(by_item_ ? batch_ : 1);
  }

 private:
  void set(Place left, Place right, std::int64_t rows, std::int64_t cols, std::int64_t terms) {
    left_ = left;
    right_ = right;
    rows_ = rows;
    cols_ = cols;
    terms_ = terms;
  }

  void compute(const sdk::Exec& exec) const override {
    if (!by_item_) {
      for (std::int64_t i = 0; i < batch_; ++i) {
        multiply(exec, i, parallel(), exec.threads(), exec.workspace());
      }
      return;
    }
    // A grain of some 10 us, as a single product below the threshold of Gemm would be.
    const double work =
        static_cast<double>(rows_) * static_cast<double>(cols_) * static_cast<double>(terms_ + 1);
    const auto grain = static_cast<std::int64_t>(1 + 256 * 1024 / (1 + work));
    parallel().run(exec.threads(), batch_, grain, [&](std::int64_t begin, std::int64_t end) {
      const Inline in_this_thread;
      for (std::int64_t i = begin; i < end; ++i) {
        auto* workspace = exec.workspace<char>() + item_workspace_ * static_cast<std::size_t>(i);
        multiply(exec, i, in_this_thread, 1, workspace);
      }
    });
  }

  void multiply(const sdk::Exec& exec, std::int64_t item, const Parallel& parallel, int threads,
                void* workspace) const {
    Product product;
    product.finish.out = exec.output<float>(0) + item * rows_ * cols_;
    product.finish.out_stride = cols_;
    product.finish.accumulate = accumulate_;
    const MatrixRows left(exec.input<float>(left_.input) + item * rows_ * terms_, left_.stride,
                          left_.along);
    const MatrixColumns right(exec.input<float>(right_.input) + item * cols_ * terms_,
                              right_.stride, right_.along);
    gemm_.run(parallel, threads, left, right, nullptr, product, workspace);
  }

  bool accumulate_;
  Place left_{}, right_{};
  std::int64_t rows_ = 0, cols_ = 0, terms_ = 0, batch_ = 0;
  bool by_item_ = false;
  Gemm gemm_;
  std::size_t item_workspace_ = 0;
};

KernelPtr make_matmul(const Op& op, const Parallel& parallel) {
  return std::make_unique<MatmulKernel>(op, parallel);
}

}  // namespace

std::span<const Entry> matmul_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Matmul::kForward, &make_matmul},
      {ops::Matmul::kBackwardA, &make_matmul},
      {ops::Matmul::kBackwardB, &make_matmul},
  };
  return kEntries;
}

}  // namespace soma::common
