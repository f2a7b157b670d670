#pragma once

#include <cstdint>

namespace soma::common {

/// y = softmax(x) of one row of n; y may be x. Returns the row's maximum (numerics.md, 2) and, in
/// *sum, its denominator. n >= 1.
float softmax_row(const float* x, float* y, std::int64_t n, float* sum);

/// Rows of n classes that are worth a piece of their own.
std::int64_t softmax_grain(std::int64_t n);

}  // namespace soma::common
