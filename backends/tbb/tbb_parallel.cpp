#include "tbb_parallel.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace soma::tbb_backend {
namespace {

/// The orders that oneTBB guarantees, told to the thread sanitizer, which does not see into the
/// library as the distribution builds it: the caller's writes come before every piece, and every
/// piece before the return.
class Handover {
 public:
  void give([[maybe_unused]] void* point) noexcept {
#ifdef __SANITIZE_THREAD__
    __tsan_release(point);
#endif
  }
  void take([[maybe_unused]] void* point) noexcept {
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(point);
#endif
  }
  char start = 0, end = 0;
};

// A range is cut into at most this many pieces per thread: enough for others to take over when one
// is interrupted, few enough that handing them out costs nothing.
constexpr std::int64_t kPiecesPerThread = 8;
constexpr int kMaxThreads = 1024;  // more are not used

}  // namespace

class TbbParallel::Arenas {
 public:
  // The arena of `threads` threads; after its first use without a lock.
  tbb::task_arena& get(int threads) {
    std::atomic<tbb::task_arena*>& slot = slots_[threads];
    if (tbb::task_arena* arena = slot.load(std::memory_order_acquire)) return *arena;
    const std::scoped_lock lock(making_);
    if (tbb::task_arena* arena = slot.load(std::memory_order_relaxed)) return *arena;
    owned_[threads] = std::make_unique<tbb::task_arena>(threads);
    owned_[threads]->initialize();
    slot.store(owned_[threads].get(), std::memory_order_release);
    return *owned_[threads];
  }

 private:
  std::mutex making_;
  // Far above any count at once: a limit that is raised step by step does not reach the workers
  // that are there already. Threads exist only once an arena asks for them.
  tbb::global_control limit_{tbb::global_control::max_allowed_parallelism, kMaxThreads};
  std::unique_ptr<tbb::task_arena> owned_[kMaxThreads + 1];
  std::atomic<tbb::task_arena*> slots_[kMaxThreads + 1] = {};
};

TbbParallel::TbbParallel() : arenas_(std::make_unique<Arenas>()) {}
TbbParallel::~TbbParallel() = default;

void TbbParallel::run(int threads, std::int64_t n, std::int64_t grain, Body body) const {
  if (n <= 0) return;
  const std::int64_t pieces = (n + grain - 1) / grain;
  threads = static_cast<int>(std::min<std::int64_t>({threads, pieces, kMaxThreads}));
  if (threads <= 1) {
    const common::FloatEnvironment environment;
    return body(0, n);
  }
  const std::int64_t per_piece =
      (pieces + threads * kPiecesPerThread - 1) / (threads * kPiecesPerThread) * grain;
  const std::int64_t count = (n + per_piece - 1) / per_piece;
  Handover handover;
  handover.give(&handover.start);
  arenas_->get(threads).execute([&] {
    tbb::parallel_for(
        std::int64_t{0}, count,
        [&](std::int64_t i) {
          handover.take(&handover.start);
          const common::FloatEnvironment environment;
          body(i * per_piece, std::min(n, (i + 1) * per_piece));
          handover.give(&handover.end);
        },
        tbb::simple_partitioner());
  });
  handover.take(&handover.end);
}

}  // namespace soma::tbb_backend
