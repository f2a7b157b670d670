#include "helping_thread.hpp"

#include <utility>

namespace soma::conformance {

HelpingThread::HelpingThread() : thread_([this] { serve(); }) {}

HelpingThread::~HelpingThread() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stage_ == Stage::idle; });
    stage_ = Stage::leaving;
  }
  changed_.notify_all();
  thread_.join();
}

void HelpingThread::start(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  task_ = std::move(task);
  stage_ = Stage::given;
  changed_.notify_all();
  changed_.wait(lock, [&] { return stage_ != Stage::given; });
}

void HelpingThread::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stage_ == Stage::idle; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void HelpingThread::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stage_ == Stage::given || stage_ == Stage::leaving; });
    if (stage_ == Stage::leaving) return;
    stage_ = Stage::running;
    changed_.notify_all();
    lock.unlock();
    std::exception_ptr error;
    try {
      task_();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    error_ = error;
    stage_ = Stage::idle;
    changed_.notify_all();
  }
}

}  // namespace soma::conformance
