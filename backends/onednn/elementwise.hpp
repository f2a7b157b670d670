#pragma once

#include <cstdint>

#include "activation.hpp"
#include "soma/sdk/backend.hpp"
#include "soma/sdk/ops/epilogue.hpp"

/// Passes over finished tensors, on up to `threads` threads, in canonical arithmetic.
namespace soma::onednn {

/// What oneDNN leaves to be done with the sums of a forward contraction. Its own relu turns NaN
/// into 0 and its sigmoid and tanh are not the canonical ones.
class Finish {
 public:
  Finish() = default;
  /// Bias (only if `with_bias`), residual and activation, in this order. Throws UnsupportedError
  /// for an activation that is not built in.
  Finish(const ops::Epilogue& epilogue, bool with_bias);
  bool empty() const noexcept { return bias_ < 0 && residual_ < 0 && activation_ == nullptr; }
  /// Finishes output 0 of `exec`, dense [rows, cols], in place.
  void run(const sdk::Exec& exec, int threads, std::int64_t rows, std::int64_t cols) const;

 private:
  int bias_ = -1, residual_ = -1;
  common::PointwiseFunction activation_ = nullptr;
};

/// y[i] += x[i].
void add_to(float* y, const float* x, std::int64_t n, int threads);

/// Largest |x[i]|; +Inf if there is an Inf or a NaN, 0 for n = 0.
float largest_magnitude(const float* x, std::int64_t n, int threads);

/// The same in bfloat16, rounded to nearest even, into y [n]. Returns the largest |x[i]|; +Inf if
/// an element is Inf or NaN or rounds to Inf, and then y is of no use.
float to_bf16(const float* x, std::uint16_t* y, std::int64_t n, int threads);
/// The largest magnitude for which to_bf16 returns +Inf is above this one.
inline constexpr float kLargestBf16 = 0x1.FEp127f;

}  // namespace soma::onednn
