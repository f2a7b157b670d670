#include "soma/conformance/threads.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace soma::conformance {

int distinct_threads(const Backend& backend, int threads) {
  std::mutex mutex;
  std::condition_variable all_here;
  std::set<std::thread::id> seen;
  // A serial runtime never meets anybody: it runs all pieces on one thread, one after the other.
  const auto patience = std::chrono::seconds(backend.runtime() == "serial" ? 0 : 5);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  backend.parallel_for(threads, threads, 1, [&](std::int64_t, std::int64_t) {
    std::unique_lock lock(mutex);
    seen.insert(std::this_thread::get_id());
    all_here.notify_all();
    all_here.wait_until(lock, deadline,
                        [&] { return seen.size() >= static_cast<std::size_t>(threads); });
  });
  return static_cast<int>(seen.size());
}

}  // namespace soma::conformance
