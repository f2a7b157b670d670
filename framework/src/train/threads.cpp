#include "train/threads.hpp"

#include <sched.h>

#include <algorithm>
#include <string>
#include <thread>

#include "soma/error.hpp"

namespace soma {

int usable_threads(int requested) {
  if (requested < 0 || requested > 4096) {
    throw StateError("threads: expected 0 (all) to 4096, got " + std::to_string(requested));
  }
  if (requested > 0) return requested;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace soma
