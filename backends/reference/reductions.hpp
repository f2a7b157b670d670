#pragma once

#include <algorithm>
#include <cstdint>

/// The canonical sums (numerics.md, rule 2).
namespace soma::reference {

/// Sum of x(i) over i in [0, n): blocks of 4096, in each 16 lanes that are combined 8-4-2-1.
template <class T, class X>
T canonical_sum(std::int64_t n, X&& x) {
  constexpr std::int64_t kBlock = 4096, kLanes = 16;
  T total = 0;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, n);
    T lane[kLanes] = {};
    for (std::int64_t i = begin; i < end; ++i) lane[(i - begin) % kLanes] += x(i);
    for (std::int64_t width = kLanes / 2; width > 0; width /= 2) {
      for (std::int64_t j = 0; j < width; ++j) lane[j] += lane[j + width];
    }
    total += lane[0];
  }
  return total;
}

/// Column sums of x [rows, columns]: sums[c], overwritten or, with `accumulate`, added to once.
/// Each column sequentially in blocks of 512 rows.
template <class T>
void column_sums(const T* x, std::int64_t rows, std::int64_t columns, bool accumulate, T* sums) {
  constexpr std::int64_t kBlock = 512, kTogether = 64;
  for (std::int64_t first = 0; first < columns; first += kTogether) {
    const std::int64_t count = std::min(kTogether, columns - first);
    T total[kTogether] = {};
    for (std::int64_t begin = 0; begin < rows; begin += kBlock) {
      const std::int64_t end = std::min(begin + kBlock, rows);
      T block[kTogether] = {};
      for (std::int64_t row = begin; row < end; ++row) {
        for (std::int64_t c = 0; c < count; ++c) block[c] += x[row * columns + first + c];
      }
      for (std::int64_t c = 0; c < count; ++c) total[c] += block[c];
    }
    for (std::int64_t c = 0; c < count; ++c) {
      sums[first + c] = accumulate ? sums[first + c] + total[c] : total[c];
    }
  }
}

/// The first NaN of x[0..n) if there is one, else the largest element. n > 0.
template <class T>
T canonical_max(const T* x, std::int64_t n) {
  T largest = x[0];
  for (std::int64_t i = 1; i < n; ++i) {
    if (x[i] > largest || (x[i] != x[i] && largest == largest)) largest = x[i];
  }
  return largest;
}

}  // namespace soma::reference
