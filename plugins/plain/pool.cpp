#include "pool.hpp"

#include <xmmintrin.h>

#include <algorithm>

namespace {
constexpr unsigned kCanonicalFp = 0x1F80;  // round to nearest, subnormals kept
constexpr std::int64_t kMostThreads = 256;
}  // namespace

Pool::~Pool() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  arrived_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::run(int threads, std::int64_t n, std::int64_t grain,
               void (*fn)(void*, std::int64_t, std::int64_t), void* argument) {
  if (n <= 0) return;
  const std::int64_t pieces = (n + grain - 1) / grain;
  const std::int64_t wanted = std::min<std::int64_t>({threads, pieces, kMostThreads});
  const std::int64_t length = (pieces + wanted - 1) / wanted * grain;
  Loop loop{fn, argument, n, length, (n + length - 1) / length};
  if (loop.count > 1) {
    loop.left = loop.count - 1;
    const std::scoped_lock lock(mutex_);
    while (std::ssize(workers_) < loop.left) workers_.emplace_back([this] { work(); });
    loop.number = ++loops_;
    loop.after = first_;
    first_ = &loop;
    arrived_.notify_all();
  }
  loop.range(0);
  if (loop.count > 1) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return loop.left == 0; });
  }
}

/// The first loop with a range to give that is not number `last`: no thread takes two of one loop,
/// so that as many take part as were asked for.
Pool::Loop* Pool::take(std::int64_t last) {
  for (Loop** at = &first_; *at != nullptr; at = &(*at)->after) {
    Loop* loop = *at;
    if (loop->number == last) continue;
    if (loop->next + 1 == loop->count) *at = loop->after;
    return loop;
  }
  return nullptr;
}

void Pool::work() {
  _mm_setcsr(kCanonicalFp);
  std::unique_lock lock(mutex_);
  std::int64_t last = 0;
  while (true) {
    Loop* loop = nullptr;
    arrived_.wait(lock, [&] { return ending_ || (loop = take(last)) != nullptr; });
    if (loop == nullptr) return;
    const std::int64_t range = loop->next++;
    lock.unlock();
    loop->range(range);
    lock.lock();
    last = loop->number;
    if (--loop->left == 0) done_.notify_all();
  }
}
