#pragma once

#include <immintrin.h>

#include <atomic>
#include <cstdint>

namespace soma::plugins {

/// The control part of this thread's floating-point environment: rounding, flush-to-zero,
/// denormals-are-zero and exception masks of SSE, and the x87 control word. Sticky flags stay out.
struct FpControl {
  static constexpr std::uint32_t kStickyFlags = 0x3F;
  static constexpr std::uint32_t kDefaultMxcsr = 0x1F80;

  std::uint32_t mxcsr = kDefaultMxcsr;
  std::uint16_t x87 = 0x037F;

  static FpControl read() noexcept {
    FpControl now;
    now.mxcsr = _mm_getcsr() & ~kStickyFlags;
    __asm__ volatile("fnstcw %0" : "=m"(now.x87));
    return now;
  }
  void restore() const noexcept {
    _mm_setcsr((_mm_getcsr() & kStickyFlags) | mxcsr);
    __asm__ volatile("fldcw %0" : : "m"(x87));
  }
  friend bool operator==(const FpControl&, const FpControl&) = default;
};

/// Calls that came back with another MXCSR than CanonicalFp had set.
inline std::atomic<std::uint64_t> fp_faults{0};

/// Holds MXCSR at its default (round to nearest, denormals kept) while it lives, whatever the
/// caller or the callee sets.
class CanonicalFp {
 public:
  CanonicalFp() noexcept : before_(control()) {
    if (before_ != FpControl::kDefaultMxcsr) _mm_setcsr(FpControl::kDefaultMxcsr);
  }
  ~CanonicalFp() {
    const std::uint32_t after = control();
    if (after != FpControl::kDefaultMxcsr) fp_faults.fetch_add(1, std::memory_order_relaxed);
    if (after != before_) _mm_setcsr(before_);
  }
  CanonicalFp(const CanonicalFp&) = delete;
  CanonicalFp& operator=(const CanonicalFp&) = delete;

 private:
  static std::uint32_t control() noexcept { return _mm_getcsr() & ~FpControl::kStickyFlags; }
  std::uint32_t before_;
};

}  // namespace soma::plugins
