#include "soma/sdk/ops/matmul.hpp"

#include "contract.hpp"
#include "kernels.hpp"

namespace soma::reference {
namespace {

// Letters as in the header: B batch, M rows, K depth, N columns.

enum class Wanted { c, grad_a, grad_b };

/// The three directions are one contraction with the matrices in different places.
template <class T, Wanted wanted>
class MatmulLoops : public LoopKernel<T> {
 public:
  explicit MatmulLoops(const Op& op) : op_(ops::Matmul::from(op.attributes)) {
    batch_ = op.in(0)[0];
    const Shape& a = wanted == Wanted::grad_a ? op.out(0) : op.in(0);
    const Shape& b = wanted == Wanted::grad_b ? op.out(0) : op.in(1);
    m_ = a[op_.transpose_a ? 2 : 1];
    k_ = a[op_.transpose_a ? 1 : 2];
    n_ = b[op_.transpose_b ? 1 : 2];
    this->info_.workspace_bytes = sizeof(T) * op.out(0).elements_from(1);
  }

 private:
  void run(const sdk::Exec& exec) const override {
    for (std::int64_t i = 0; i < batch_; ++i) {
      if constexpr (wanted == Wanted::c) {
        product(m_, n_, k_, a(exec.input<T>(0) + i * m_ * k_), b(exec.input<T>(1) + i * k_ * n_),
                exec.output<T>(0) + i * m_ * n_, false, exec.workspace<T>());
      } else if constexpr (wanted == Wanted::grad_a) {
        product(m_, k_, n_, c(exec.input<T>(0) + i * m_ * n_),
                turned(b(exec.input<T>(1) + i * k_ * n_)), exec.output<T>(0) + i * m_ * k_,
                op_.transpose_a, exec.workspace<T>());
      } else {
        product(k_, n_, m_, turned(a(exec.input<T>(0) + i * m_ * k_)),
                c(exec.input<T>(1) + i * m_ * n_), exec.output<T>(0) + i * k_ * n_, op_.transpose_b,
                exec.workspace<T>());
      }
    }
  }

  /// output = or += left (rows x depth) * right (depth x columns); stored [columns, rows] if
  /// transposed.
  void product(std::int64_t rows, std::int64_t columns, std::int64_t depth, Matrix<T> left,
               Matrix<T> right, T* output, bool transposed, T* totals) const {
    contract(rows, columns, depth, left, right, totals);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        T& to = output[transposed ? column * rows + row : row * columns + column];
        const T total = totals[row * columns + column];
        to = op_.accumulate ? to + total : total;
      }
    }
  }

  static Matrix<T> turned(Matrix<T> x) { return {x.data, x.column_step, x.row_step}; }
  Matrix<T> a(const T* data) const {
    return op_.transpose_a ? Matrix<T>{data, 1, m_} : Matrix<T>{data, k_, 1};
  }
  Matrix<T> b(const T* data) const {
    return op_.transpose_b ? Matrix<T>{data, 1, k_} : Matrix<T>{data, n_, 1};
  }
  Matrix<T> c(const T* data) const { return {data, n_, 1}; }

  ops::Matmul op_;
  std::int64_t batch_, m_, k_, n_;
};

template <class T>
using MatmulForward = MatmulLoops<T, Wanted::c>;
template <class T>
using MatmulBackwardA = MatmulLoops<T, Wanted::grad_a>;
template <class T>
using MatmulBackwardB = MatmulLoops<T, Wanted::grad_b>;

}  // namespace

std::span<const Entry> matmul_kernels() {
  static const Entry entries[] = {entry<MatmulForward>(ops::Matmul::kForward),
                                  entry<MatmulBackwardA>(ops::Matmul::kBackwardA),
                                  entry<MatmulBackwardB>(ops::Matmul::kBackwardB)};
  return entries;
}

}  // namespace soma::reference
