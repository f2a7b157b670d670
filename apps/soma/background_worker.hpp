#pragma once

#include <chrono>
#include <functional>
#include <future>

/// Does one piece of work at a time on a thread of its own. What it throws comes out of the next
/// call here; the destructor waits for it and drops that.
class BackgroundWorker {
 public:
  BackgroundWorker() = default;
  BackgroundWorker(const BackgroundWorker&) = delete;
  BackgroundWorker& operator=(const BackgroundWorker&) = delete;
  ~BackgroundWorker() {
    if (pending_.valid()) pending_.wait();
  }

  /// Waits for the work before, then starts this.
  void start(std::function<void()> work) {
    finish();
    pending_ = std::async(std::launch::async, std::move(work));
  }
  void finish() {
    if (pending_.valid()) pending_.get();
  }
  /// Only throws what work threw that has ended; does not wait.
  void poll() {
    if (pending_.valid() && pending_.wait_for(std::chrono::seconds(0)) == std::future_status::ready)
      pending_.get();
  }

 private:
  std::future<void> pending_;
};
