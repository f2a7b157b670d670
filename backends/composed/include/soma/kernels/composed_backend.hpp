#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "soma/sdk/backend.hpp"

/// The default compositions: what turns a matrix product and a parallel loop into a whole backend.
/// Link soma::kernels.
namespace soma::kernels {

/// c[m,n] = sum over k of a[m,k] * b[k,n], overwritten; each operand with a distance between two
/// elements along each of its axes, so that transposes and slices are products too. Letters: rows
/// m, cols n, depth k. The sums are in the canonical order if the backend claims exact products:
/// k ascending with fma in blocks of 512 from +0, the blocks added in ascending order from +0
/// (numerics.md, 1).
struct MatrixProduct {
  std::int64_t rows = 0, cols = 0, depth = 0;
  const float* a = nullptr;
  std::int64_t a_row = 0, a_step = 0;  // a[m * a_row + k * a_step]
  const float* b = nullptr;
  std::int64_t b_step = 0, b_col = 0;  // b[k * b_step + n * b_col]
  float* c = nullptr;
  std::int64_t c_row = 0;  // c[m * c_row + n]
};

/// A backend that supports every op. linear, matmul and conv2d, forward and both backwards, are
/// composed of multiply() and loops over parallel_for(): convolutions by gathering taps into
/// rows. Everything else, and contractions without elements, are the canonical kernels over
/// parallel_for(): pointwise ops, reductions, normalisations, recurrent steps, attention,
/// optimizers, losses. A class that derives from it has, besides what soma/sdk/backend.hpp asks
/// for,
///
///   explicit Class(sdk::Numerics) : ComposedBackend(exactness of multiply(), implementation) {}
///
/// and may override prepare() for ops that it does better, calling this one for the others.
class ComposedBackend : public sdk::Backend {
 public:
  ComposedBackend(sdk::Exactness products, const char* implementation);
  ~ComposedBackend() override;
  static std::span<const char* const> op_ids();
  std::unique_ptr<sdk::Kernel> prepare(const Op& op) override;

  /// Computes `product` on up to `threads` threads. Called from several threads at once, with
  /// distinct results; neither allocates nor throws. rows, cols and depth are 1 or more.
  virtual void multiply(const MatrixProduct& product, int threads) const = 0;

  struct Shared;

 private:
  std::unique_ptr<Shared> shared_;
};

}  // namespace soma::kernels
