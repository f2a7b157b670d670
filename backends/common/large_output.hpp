#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "lanes.hpp"

namespace soma::common {

/// How an output of so many elements is written: one that no cache keeps until it is read goes past
/// the caches, as a store through them would first read what it overwrites. The bits are those of
/// math::transform.
class LargeOutput {
 public:
  explicit LargeOutput(std::int64_t elements)
      : streams_(elements * std::int64_t{sizeof(float)} >= kPastCaches) {}

  /// y[i] = f(x[i]...) for i in [0, n), with f called on Lanes; y may be one of x.
  template <class Function, class... In>
  [[gnu::flatten]] void transform(Function f, float* y, std::int64_t n, const In*... x) const {
    // Never inlined, or a long function would stand here three times.
    const auto part = [&](std::int64_t i, std::int64_t count) __attribute__((noinline)) {
      Lanes(f(Lanes::load_partial(x + i, count)...)).store_partial(y + i, count);
    };
    std::int64_t i = streams_ ? std::min(n, to_boundary(y)) : 0;
    if (i > 0) part(0, i);
    for (; i + kLanes <= n; i += kLanes) {
      (__builtin_prefetch(x + i + math::kAhead), ...);
      const Lanes result = f(Lanes::load(x + i)...);
      if (streams_) {
        result.stream(y + i);
      } else {
        __builtin_prefetch(y + i + math::kAhead, 1);
        result.store(y + i);
      }
    }
    if (i < n) part(i, n - i);
    if (streams_) _mm_sfence();
  }

 private:
  static constexpr std::int64_t kPastCaches = 8 << 20;  // bytes

  // The elements before the first that is aligned as a stream asks for.
  static std::int64_t to_boundary(const float* y) {
    const auto beyond = reinterpret_cast<std::uintptr_t>(y) / sizeof(float) % kLanes;
    return beyond == 0 ? 0 : kLanes - static_cast<std::int64_t>(beyond);
  }

  bool streams_;
};

}  // namespace soma::common
