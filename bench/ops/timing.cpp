#include "timing.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <vector>

namespace soma::bench {

Timing time(double seconds, const std::function<void()>& run) {
  constexpr std::size_t kFewest = 5;
  constexpr double kPatience = 10;  // times `seconds`
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
  return {times[times.size() / 2], times.front(), times.back()};
}

std::string to_json(const Measured& measured) {
  return nlohmann::ordered_json{
      {"median_ms", measured.timing.median}, {"min_ms", measured.timing.least},
      {"max_ms", measured.timing.most},      {"implementation", measured.implementation},
      {"class", measured.exactness},         {"fingerprint", measured.fingerprint}}
      .dump();
}

std::string unsupported_json(const std::string& reason) {
  return nlohmann::ordered_json{{"unsupported", reason}}.dump();
}

}  // namespace soma::bench
