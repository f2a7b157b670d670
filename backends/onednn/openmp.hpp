#pragma once

#include "parallel.hpp"

namespace soma::onednn {

/// Loops over OpenMP, each thread one contiguous share. The team has exactly the threads asked for
/// unless the host limits OpenMP (OMP_THREAD_LIMIT, or a call from within a parallel region).
class OpenMp final : public common::Parallel {
 public:
  void run(int threads, std::int64_t n, std::int64_t grain, Body body) const override;
};

/// The one instance; lives as long as the process.
const OpenMp& openmp();

/// Makes oneDNN, called by this thread, run on `threads` threads in the canonical floating-point
/// environment. Restores what it found: the calling thread's OpenMP thread count, and the
/// environment of all of them.
class TeamScope {
 public:
  explicit TeamScope(int threads);
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

 private:
  const common::FloatEnvironment environment_;
  int threads_, old_threads_;
  bool foreign_ = false;  // a worker's environment was another one
};

}  // namespace soma::onednn
