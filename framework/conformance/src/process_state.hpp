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

/// What this process holds: bytes that malloc has handed out and not got back, as far as the arena
/// of the main thread and large blocks go; open files; threads.
struct Holdings {
  std::size_t bytes = 0, files = 0, threads = 0;

  static Holdings read();
};

/// What every call of something keeps.
struct Kept {
  std::size_t bytes = 0, files = 0, threads = 0;

  explicit operator bool() const noexcept { return bytes + files + threads > 0; }
  std::string text() const;  ///< "48 bytes", "1 open file"
};

/// What every call of `once` keeps. Caches that fill up, of the runtimes for example, grow now and
/// then: a leak grows in each of several stretches.
template <class Call>
Kept kept_by_every(Call once) {
  constexpr int kWarmUps = 20, kStretches = 4, kCalls = 40;
  constexpr std::size_t kLeastBlock = 32;  // malloc hands out no smaller chunk
  constexpr std::size_t kMany = std::numeric_limits<std::size_t>::max();
  const auto grown = [](std::size_t before, std::size_t after) {
    return after > before ? (after - before) / kCalls : 0;
  };
  for (int i = 0; i < kWarmUps; ++i) once();
  Kept kept{kMany, kMany, kMany};
  for (int stretch = 0; stretch < kStretches && kept; ++stretch) {
    const Holdings before = Holdings::read();
    for (int i = 0; i < kCalls; ++i) once();
    const Holdings after = Holdings::read();
    kept.bytes = std::min(kept.bytes, grown(before.bytes, after.bytes));
    kept.files = std::min(kept.files, grown(before.files, after.files));
    kept.threads = std::min(kept.threads, grown(before.threads, after.threads));
    if (kept.bytes < kLeastBlock) kept.bytes = 0;
  }
  return kept;
}

}  // namespace soma::conformance
