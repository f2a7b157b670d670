#pragma once

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

namespace soma::conformance {

/// What a kernel must leave as it found it, beyond its buffers: settings of this thread and of the
/// process that decide how others compute.
struct ProcessState {
  std::uint32_t mxcsr = 0;  ///< rounding, flush-to-zero, exception masks of SSE
  std::uint16_t x87 = 0;    ///< control word of the x87
  /// Of the OpenMP runtimes that are loaded, "libgomp.so.1 max threads 2, dynamic 0".
  std::string openmp;
  cpu_set_t affinity;  ///< of this thread

  static ProcessState read();
  /// A sentence about the first setting that `later` has otherwise; empty if there is none.
  std::string changed_in(const ProcessState& later) const;
};

/// Bytes that malloc has handed out and not got back, as far as the arena of the main thread and
/// large blocks go.
std::size_t allocated_bytes();

/// Bytes that every call of `once` keeps; 0 if it keeps none. Caches that fill up, of the runtimes
/// for example, grow now and then: a leak grows in each of several stretches.
template <class Call>
std::size_t kept_by_every(Call once) {
  constexpr int kWarmUps = 20, kStretches = 4, kCalls = 40;
  constexpr std::size_t kLeastBlock = 16;
  for (int i = 0; i < kWarmUps; ++i) once();
  std::size_t kept = std::numeric_limits<std::size_t>::max();
  for (int stretch = 0; stretch < kStretches && kept >= kLeastBlock; ++stretch) {
    const std::size_t before = allocated_bytes();
    for (int i = 0; i < kCalls; ++i) once();
    const std::size_t after = allocated_bytes();
    kept = std::min(kept, after > before ? (after - before) / kCalls : 0);
  }
  return kept >= kLeastBlock ? kept : 0;
}

}  // namespace soma::conformance
