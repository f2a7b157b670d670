#pragma once

#include <chrono>
#include <cstddef>
#include <string>

/// Progress of work made of many small pieces, on stderr: a bar with rate and time left on a
/// terminal, a plain line now and then elsewhere. The bar is wiped when it goes.
class WorkBar {
 public:
  /// `unit`: what a piece is called in the plural, "cases".
  WorkBar(std::size_t total, std::string unit);
  ~WorkBar();
  WorkBar(const WorkBar&) = delete;
  WorkBar& operator=(const WorkBar&) = delete;
  /// `what` is in hand, `done` pieces are finished.
  void show(std::size_t done, const std::string& what);

 private:
  using Clock = std::chrono::steady_clock;
  std::size_t total_;
  std::string unit_;
  bool terminal_;
  Clock::time_point started_, shown_;
  bool open_ = false;
};
