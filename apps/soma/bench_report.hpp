#pragma once

#include <ostream>

#include "bench_contest.hpp"
#include "bench_gate.hpp"

/// Everything a run of `soma bench` found.
struct BenchReport {
  BenchOptions options;
  bool gate = false;
  std::vector<Contest> contests;
  std::vector<std::string> notes;  ///< peers that are missing, and the like
  std::vector<Miss> missed;        ///< targets, when they were asked about, and unequal bits
};

/// Three significant digits, four decimals below 1, no exponent.
std::string milliseconds(double ms);
/// "Intel(R) Xeon(R) ..." of /proc/cpuinfo.
std::string cpu_name();
/// "soma 0.1.0, g++ 12.2.0, Intel ..., 2 threads, 3 rounds of 0.25 s"
std::string bench_headline(const BenchReport& report);

/// Aligned tables: ops with a column of times per contestant and one of ratios per target, models
/// with a row per contestant.
void print_bench_text(const BenchReport& report, std::ostream& out);
/// One line of JSON, as framework/docs/cli.md says.
std::string bench_json(const BenchReport& report);
/// One page that needs nothing else: bars per case, times against raw oneDNN or, where that did
/// not run, against the fastest.
std::string bench_html(const BenchReport& report);
