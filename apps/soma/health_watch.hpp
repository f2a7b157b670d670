#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "soma/diagnosis.hpp"

/// The alarms of a run under way. One is raised when it stood in kPersistent looks in a row, since
/// a single batch may be odd (one that is not finite at once), and once for as long as it stands.
class HealthWatch {
 public:
  static constexpr int kPersistent = 3;
  /// An alarm that was raised, and when.
  struct Raised {
    soma::Alarm alarm;
    std::int64_t step = 0;
  };

  /// Takes what a look at that step found; returns what is raised by it.
  std::vector<soma::Alarm> take(const std::vector<soma::Alarm>& found, std::int64_t step);
  std::int64_t looks() const { return looks_; }
  /// All, in the order in which they were raised.
  const std::vector<Raised>& raised() const { return raised_; }

 private:
  using Key = std::pair<soma::Alarm::Kind, std::string>;
  std::map<Key, int> standing_;  // looks in a row
  std::vector<Raised> raised_;
  std::int64_t looks_ = 0;
};

/// Prints an alarm on stderr in lines of its own; a progress bar on the terminal is wiped and drawn
/// again by its next step.
void print_alarm(const soma::Alarm& alarm, std::int64_t step);
