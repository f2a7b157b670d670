#include "timing.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <vector>

namespace soma::bench {

Timing time(double seconds, const std::function<void()>& run) {
  constexpr std::size_t kFewest = 5;
  constexpr double kPatience = 10;        // times `seconds`
  constexpr double kClockMatters = 0.01;  // ms
  using Clock = std::chrono::steady_clock;
  const auto elapsed = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto warm = Clock::now();
  do run();
  while (elapsed(warm) < seconds / 4);
  std::vector<double> times;
  const auto start = Clock::now();
  while (elapsed(start) < seconds || times.size() < kFewest) {
    if (!times.empty() && elapsed(start) > kPatience * seconds) break;
    const auto one = Clock::now();
    run();
    times.push_back(elapsed(one) * 1e3);
  }
  std::ranges::sort(times);
  Timing timing{times[times.size() / 2], times.front(), times.back(),
                times[(times.size() - 1) * 99 / 100]};
  if (timing.median >= kClockMatters) return timing;
  const int bunch = static_cast<int>(kClockMatters / std::max(timing.least, 1e-5)) + 1;
  std::vector<double> means;
  const auto again = Clock::now();
  while (elapsed(again) < seconds || means.size() < kFewest) {
    const auto one = Clock::now();
    for (int i = 0; i < bunch; ++i) run();
    means.push_back(elapsed(one) * 1e3 / bunch);
  }
  std::ranges::sort(means);
  timing.median = means[means.size() / 2];
  timing.least = means.front();
  timing.most = std::max(timing.most, means.back());
  return timing;
}

std::string to_json(const Measured& measured) {
  nlohmann::ordered_json json = {{"median_ms", measured.timing.median},
                                 {"min_ms", measured.timing.least},
                                 {"max_ms", measured.timing.most},
                                 {"p99_ms", measured.timing.p99},
                                 {"implementation", measured.implementation},
                                 {"class", measured.exactness},
                                 {"fingerprint", measured.fingerprint}};
  if (const auto& b = measured.breakdown) {
    json["breakdown"] = {{"total_ms", b->total_ms},
                         {"kernels_ms", b->kernels_ms},
                         {"packs_ms", b->packs_ms},
                         {"work", b->work}};
  }
  return json.dump();
}

std::string unsupported_json(const std::string& reason) {
  return nlohmann::ordered_json{{"unsupported", reason}}.dump();
}

}  // namespace soma::bench
