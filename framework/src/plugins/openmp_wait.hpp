#pragma once

namespace soma::plugins {

/// While it lives, a GCC OpenMP runtime that is loaded learns that its threads are to spin for
/// 10,000 rounds (some 0.1 ms) at a barrier before they sleep, unless the user has said something
/// (GOMP_SPINCOUNT, OMP_WAIT_POLICY). By itself it spins for many milliseconds, so that where other
/// programs want the cores too each barrier of a kernel of microseconds waits for time slices.
///
/// The runtime reads that from the environment, once. The variable is added to a copy, to which
/// `environ` points meanwhile: nothing that another thread may be reading is changed or freed, and
/// no child process inherits it.
class ShortOpenmpWait {
 public:
  ShortOpenmpWait();
  ~ShortOpenmpWait();
  ShortOpenmpWait(const ShortOpenmpWait&) = delete;
  ShortOpenmpWait& operator=(const ShortOpenmpWait&) = delete;

 private:
  char** before_ = nullptr;
  char** meanwhile_ = nullptr;  // null: nothing was changed
};

}  // namespace soma::plugins
