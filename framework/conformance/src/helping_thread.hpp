#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace soma::conformance {

/// A second thread that does one task at a time beside the calling one, and lives on in between: a
/// threading runtime keeps a team for every thread that enters it.
class HelpingThread {
 public:
  HelpingThread();
  ~HelpingThread();
  HelpingThread(const HelpingThread&) = delete;
  HelpingThread& operator=(const HelpingThread&) = delete;

  /// Begins `task`; returns when the thread has it in hand.
  void start(std::function<void()> task);
  /// Waits for its end; throws what it threw.
  void finish();

 private:
  void serve();

  enum class Stage { idle, given, running, leaving };
  std::mutex mutex_;
  std::condition_variable changed_;
  Stage stage_ = Stage::idle;
  std::function<void()> task_;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace soma::conformance
