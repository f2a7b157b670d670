#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "soma/backend.hpp"

namespace soma::bench {

/// Milliseconds of single executions.
struct Timing {
  double median = 0, least = 0, most = 0;
  double p99 = 0;  ///< 99 of 100 take at most that
};

/// Where the time of a model's step goes, and what it computes.
struct Breakdown {
  double total_ms = 0, kernels_ms = 0, packs_ms = 0;  ///< medians over some steps
  std::vector<std::pair<double, double>> work;        ///< FLOP and bytes of each kernel
  double outside_share() const { return std::max(0.0, 1 - (kernels_ms + packs_ms) / total_ms); }
};

/// Calls `run` for a quarter of `seconds` to warm up, then until `seconds` have passed and five
/// times at least, but once is enough where five would take more than ten times `seconds`.
/// Executions shorter than reading the clock allows for are timed in bunches, apart from p99.
Timing time(double seconds, const std::function<void()>& run);

/// What a contestant's process has to say.
struct Measured {
  Timing timing;
  std::string implementation;
  std::string exactness;               ///< "exact" or "bounded"; empty for peers
  std::string fingerprint;             ///< of the results' bits, if exact
  std::optional<Breakdown> breakdown;  ///< of a model on a backend
};

/// One line of JSON: median_ms, min_ms, max_ms, p99_ms, implementation, class, fingerprint and
/// perhaps breakdown.
std::string to_json(const Measured& measured);
/// One line of JSON: {"unsupported": reason}.
std::string unsupported_json(const std::string& reason);

}  // namespace soma::bench
