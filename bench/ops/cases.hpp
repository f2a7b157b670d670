#pragma once

#include <functional>
#include <string>
#include <vector>

#include "soma/sdk/op.hpp"

namespace soma::bench {

/// Something to time: one op, or one training step of a built-in model.
struct Case {
  std::string name;  // "matmul:1024", "lenet5:conv2.bwd_weights", "step:lenet5"
  Op op;             // id empty for a training step
  double flops = 0;  // of one execution, a multiply-add counted as two; padded taps count
};

/// All cases, in the order of the report.
const std::vector<Case>& cases();
/// Throws Error that lists the names.
const Case& find_case(const std::string& name);

/// Who can run a case: "raw" (oneDNN's own primitive, weights already in its layout), a backend
/// with "-exact" behind it for exact numerics, or "pytorch" (steps only).
std::vector<std::string> contestants(const Case& c);

/// Milliseconds of single executions.
struct Timing {
  double median = 0, least = 0, most = 0;
};

/// Calls `run` for a while to warm up, then until `seconds` have passed and five times at least.
Timing time(double seconds, const std::function<void()>& run);

Timing time_raw(const Case& c, int threads, double seconds);
Timing time_backend(const Case& c, const std::string& contestant, int threads, double seconds);

}  // namespace soma::bench
