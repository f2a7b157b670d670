#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "soma/sdk/math/functions.hpp"

/// Sums in the canonical order (numerics.md, 2), so that a plugin has the same bits everywhere.
namespace soma::sdk {
// The functions below contain code of the canonical functions; see math/isa.hpp.
inline namespace SOMA_MATH_ISA {

/// Elements of a block of a sum; sums of blocks are added in ascending order, starting from +0.
inline constexpr std::int64_t kSumBlock = 4096;

/// Sum of term(i), a T, over i in [0, n): blocks of 4096 elements over 16 lanes, combined 8-4-2-1.
template <class T, class Term>
T sum(std::int64_t n, Term term) {
  T total = T(0);
  for (std::int64_t begin = 0; begin < n; begin += kSumBlock) {
    const std::int64_t end = std::min(begin + kSumBlock, n);
    T lane[16];
    std::fill_n(lane, 16, T(0));
    std::int64_t i = begin;
    for (; i + 16 <= end; i += 16) {
      for (int j = 0; j < 16; ++j) lane[j] = lane[j] + term(i + j);
    }
    for (; i < end; ++i) lane[(i - begin) % 16] = lane[(i - begin) % 16] + term(i);
    for (int width = 8; width > 0; width /= 2) {
      for (int j = 0; j < width; ++j) lane[j] = lane[j] + lane[j + width];
    }
    total = total + lane[0];
  }
  return total;
}

/// to[i] = x[i] - log(sum of exp(x)): the logarithms of the softmax of a row. The largest element
/// is subtracted first; a NaN anywhere makes the whole row NaN.
template <class T>
void log_softmax(std::span<const T> x, std::span<T> to) {
  using Float = typename T::Scalar;
  const auto n = static_cast<std::int64_t>(x.size());
  if (n == 0) return;
  T largest = x[0];
  for (const T v : x) largest = max(v, largest);
  auto* floats = reinterpret_cast<Float*>(to.data());
  const Float shift = largest.v;
  math::transform(reinterpret_cast<const Float*>(x.data()), floats, n,
                  [shift](auto v) { return exp(v - decltype(v)(shift)); });
  const T log_sum = log(sum<T>(n, [&](std::int64_t i) { return to[static_cast<std::size_t>(i)]; }));
  for (std::size_t i = 0; i < x.size(); ++i) to[i] = (x[i] - largest) - log_sum;
}

/// Element `target` of the logarithms of the softmax of a row, alone.
template <class T>
T log_probability(std::span<const T> x, std::int32_t target) {
  T largest = x[0];
  for (const T v : x) largest = max(v, largest);
  const T all = sum<T>(static_cast<std::int64_t>(x.size()), [&](std::int64_t i) {
    return exp(x[static_cast<std::size_t>(i)] - largest);
  });
  return (x[static_cast<std::size_t>(target)] - largest) - log(all);
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::sdk
