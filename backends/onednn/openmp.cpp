#include "openmp.hpp"

#include <omp.h>

#include <algorithm>

namespace soma::onednn {

void OpenMp::run(int threads, std::int64_t n, std::int64_t grain, Body body) const {
  if (n <= 0) return;
  const std::int64_t pieces = (n + grain - 1) / grain;
  const int team = static_cast<int>(std::min<std::int64_t>(threads, pieces));
  if (team <= 1) {
    const common::FloatEnvironment environment;
    body(0, n);
    return;
  }
#pragma omp parallel num_threads(team)
  {
    const common::FloatEnvironment environment;
    const std::int64_t count = omp_get_num_threads(), mine = omp_get_thread_num();
    const std::int64_t begin = pieces * mine / count * grain;
    const std::int64_t end = std::min(n, pieces * (mine + 1) / count * grain);
    if (begin < end) body(begin, end);
  }
}

const OpenMp& openmp() {
  static const OpenMp instance;
  return instance;
}

namespace {

constexpr unsigned kCanonical = 0x1F80, kFlags = 0x3F;
thread_local unsigned worker_old = kCanonical;

// A host built with -ffast-math hands flush-to-zero to every thread it starts, OpenMP's included.
bool make_workers_canonical(int threads) {
  bool foreign = false;
#pragma omp parallel num_threads(threads) reduction(|| : foreign)
  {
    worker_old = _mm_getcsr();
    if ((worker_old & ~kFlags) != kCanonical) {
      foreign = true;
      _mm_setcsr(kCanonical);
    }
  }
  return foreign;
}

void restore_workers(int threads) {
#pragma omp parallel num_threads(threads)
  _mm_setcsr(worker_old);
}

}  // namespace

TeamScope::TeamScope(int threads) : threads_(threads), old_threads_(omp_get_max_threads()) {
  omp_set_num_threads(threads);
  if (threads > 1) foreign_ = make_workers_canonical(threads);
}

TeamScope::~TeamScope() {
  if (foreign_) restore_workers(threads_);
  omp_set_num_threads(old_threads_);
}

}  // namespace soma::onednn
