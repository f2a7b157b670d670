#pragma once

#include <functional>
#include <string>

#include "soma/backend.hpp"

namespace soma::bench {

/// Milliseconds of single executions.
struct Timing {
  double median = 0, least = 0, most = 0;
};

/// Calls `run` for a quarter of `seconds` to warm up, then until `seconds` have passed and five
/// times at least, but once is enough where five would take more than ten times `seconds`.
Timing time(double seconds, const std::function<void()>& run);

/// What a contestant's process has to say.
struct Measured {
  Timing timing;
  std::string implementation;
  std::string exactness;    ///< "exact" or "bounded"; empty for peers
  std::string fingerprint;  ///< of the results' bits, if exact
};

/// One line of JSON: median_ms, min_ms, max_ms, implementation, class, fingerprint.
std::string to_json(const Measured& measured);
/// One line of JSON: {"unsupported": reason}.
std::string unsupported_json(const std::string& reason);

}  // namespace soma::bench
