#include "health_watch.hpp"

#include <unistd.h>

#include <cstdio>
#include <iostream>

std::vector<soma::Alarm> HealthWatch::take(const std::vector<soma::Alarm>& found,
                                           std::int64_t step) {
  ++looks_;
  std::map<Key, int> standing;
  std::vector<soma::Alarm> raised;
  for (const soma::Alarm& alarm : found) {
    const Key key{alarm.kind, alarm.layer};
    const auto before = standing_.find(key);
    const int count = (before == standing_.end() ? 0 : before->second) + 1;
    standing[key] = count;
    if (count != (alarm.kind == soma::Alarm::Kind::not_finite ? 1 : kPersistent)) continue;
    raised.push_back(alarm);
    raised_.push_back({alarm, step});
  }
  standing_ = std::move(standing);
  return raised;
}

void print_alarm(const soma::Alarm& alarm, std::int64_t step) {
  if (isatty(STDERR_FILENO) != 0) std::cerr << "\r\033[K";
  std::cerr << "step " << step << ": ALARM " << name_of(alarm.kind) << " (" << alarm.layer
            << "): " << alarm.finding << "; cures:";
  for (const soma::Cure& cure : alarm.cures) {
    std::cerr << (&cure == alarm.cures.data() ? " " : ", ") << cure.name;
  }
  std::cerr << std::endl;
}
