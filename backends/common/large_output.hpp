#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "lanes.hpp"

namespace soma::common {

/// Writes an output of so many elements by f(a[i], b[i]): one that no cache keeps until it is read
/// goes past the caches, as a store through them would first read what it overwrites. The same
/// bits.
class LargeOutput {
 public:
  explicit LargeOutput(std::int64_t elements)
      : streams_(elements * std::int64_t{sizeof(float)} >= kPastCache) {}

  template <class Function>
  void transform(const float* a, const float* b, float* y, std::int64_t n, Function f) const {
    if (!streams_) return math::transform_as<Lanes>(a, b, y, n, f);
    const auto beyond = reinterpret_cast<std::uintptr_t>(y) / sizeof(float) % kLanes;
    const std::int64_t head = std::min<std::int64_t>(n, beyond == 0 ? 0 : kLanes - beyond);
    math::transform_as<Lanes>(a, b, y, head, f);
    std::int64_t i = head;
    for (; i + kLanes <= n; i += kLanes) f(Lanes::load(a + i), Lanes::load(b + i)).stream(y + i);
    math::transform_as<Lanes>(a + i, b + i, y + i, n - i, f);
    _mm_sfence();
  }

 private:
  static constexpr std::int64_t kPastCache = 8 << 20;
  bool streams_;
};

}  // namespace soma::common
