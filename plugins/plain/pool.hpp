#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

/// Threads that wait for loops. Several loops may run at once.
class Pool {
 public:
  Pool() = default;
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Calls fn(argument, begin, end) on disjoint ranges that cover [0, n), at least `grain` long but
  /// for the last: one range per thread, on the calling thread and up to threads - 1 others.
  void run(int threads, std::int64_t n, std::int64_t grain,
           void (*fn)(void* argument, std::int64_t begin, std::int64_t end), void* argument);

 private:
  struct Loop {
    void (*fn)(void*, std::int64_t, std::int64_t);
    void* argument;
    std::int64_t n, length, count;
    std::int64_t next = 1, left = 0;  // range 0 is the caller's
    std::int64_t number = 0;          // of all loops so far
    Loop* after = nullptr;

    void range(std::int64_t i) const {
      fn(argument, i * length, i + 1 == count ? n : (i + 1) * length);
    }
  };
  void work();
  Loop* take(std::int64_t last);

  std::mutex mutex_;
  std::condition_variable arrived_, done_;
  Loop* first_ = nullptr;
  std::vector<std::thread> workers_;
  std::int64_t loops_ = 0;
  bool ending_ = false;
};
