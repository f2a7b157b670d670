#pragma once

#include <algorithm>
#include <memory>

#include "soma/sdk/backend.hpp"
#include "soma/sdk/ops/epilogue.hpp"

/// The kernels that oneDNN computes, one family a source. Each function returns null where oneDNN
/// is not the right one: operands without elements, no vectorised implementation, or, for exact
/// numerics, other bits than the canonical order. The canonical kernel serves then.
namespace soma::onednn {

using KernelPtr = std::unique_ptr<sdk::Kernel>;

/// out [batch, rows, cols] = left [batch, rows, depth] * right [batch, depth, cols]: what every
/// direction of linear and matmul comes down to. A transposed operand lies in memory with its last
/// two extents swapped.
struct MatrixProduct {
  std::int64_t batch = 1, rows = 0, cols = 0, depth = 0;
  int left = 0, right = 1;  // inputs of the op; its output 0 is the product
  bool left_transposed = false, right_transposed = false;
  bool pack_right = false;  // worth keeping in oneDNN's own layout: weights of an inference
  bool sum_left = false;    // output 1 is the sum of left over depth; left is transposed, batch 1
  bool accumulate = false;
  ops::Epilogue epilogue;

  /// Multiplications and additions.
  double work() const noexcept { return work_of(rows); }
  /// The same, or as many as take the time to read the right operand: what a product of few rows
  /// costs.
  double cost() const noexcept { return work_of(std::max<std::int64_t>(4, rows)); }

 private:
  double work_of(std::int64_t of_rows) const noexcept {
    return 2.0 * static_cast<double>(batch) * static_cast<double>(of_rows) *
           static_cast<double>(cols) * static_cast<double>(depth);
  }
};

MatrixProduct linear_product(const Op& op);
MatrixProduct matmul_product(const Op& op);

/// Whether operands of products and convolutions are rounded to bfloat16.
enum class Bf16 { never, where_it_pays, always };

/// `work` in multiplications and additions, and how many elements are rounded for it.
inline bool in_bf16(Bf16 when, double work, double rounded) {
  constexpr double kSaved = 40;  // work that is saved in the time that an element takes
  return when == Bf16::always || (when == Bf16::where_it_pays && work > kSaved * rounded);
}

/// Class bounded. Both want a product with work to do.
KernelPtr make_fast_product(const Op& op, const MatrixProduct& product, Bf16 bf16);
/// Class bounded: the transpose of the product of the transposes; null where that does not pay.
KernelPtr make_turned_product(const MatrixProduct& product);
/// Class exact, each shape and thread count checked against the canonical kernel of `op` once in a
/// process.
KernelPtr make_exact_product(const Op& op, const MatrixProduct& product);

/// Class bounded; forward and backward-data.
KernelPtr make_conv2d(const Op& op, Bf16 bf16);
KernelPtr make_conv2d_weights(const Op& op, Bf16 bf16);

}  // namespace soma::onednn
