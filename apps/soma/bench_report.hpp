#pragma once

#include <ostream>

#include "bench_compare.hpp"
#include "bench_contest.hpp"
#include "bench_figures.hpp"
#include "bench_gate.hpp"

/// Everything a run of `soma bench` found.
struct BenchReport {
  BenchOptions options;
  bool gate = false, suite = false;
  std::vector<Contest> contests;          ///< those that differ in their threads alone side by side
  std::vector<soma::bench::Peaks> peaks;  ///< for each number of threads
  std::optional<Moves> moves;             ///< against the figures it was compared with
  std::vector<std::string> notes;         ///< peers that are missing, and the like
  std::vector<Miss> missed;               ///< targets, when they were asked about, and unequal bits

  int most_threads() const;  ///< of any contest
};

/// Three significant digits, four decimals below 1, no exponent.
std::string milliseconds(double ms);
/// "Intel(R) Xeon(R) ..." of /proc/cpuinfo.
std::string cpu_name();
/// "soma 0.1.0, g++ 12.2.0, Intel ..., 2 threads, 3 rounds of 0.25 s"
std::string bench_headline(const BenchReport& report);

/// "2 threads: 539 GFLOP/s in registers; 410 GB/s at 48 kB, ..."
std::string peaks_text(const soma::bench::Peaks& peaks);
/// "lenet5 train, batch 64, 2 threads"; threads only where they vary.
std::string contest_title(const Contest& contest, const BenchReport& report);

/// The table of the suite, a row for each of these models.
void print_suite_table(const std::vector<const Contest*>& contests, std::ostream& out);
/// Aligned tables: ops with a column of times per contestant and one of ratios per target, models
/// with a row per contestant.
void print_bench_text(const BenchReport& report, std::ostream& out);
/// One line of JSON, as framework/docs/cli.md says.
std::string bench_json(const BenchReport& report);
/// One page that needs nothing else: how near to the machine's limits, where the time of a step
/// goes, what more threads bring, and bars per case, times against raw oneDNN or, where that did
/// not run, against the fastest.
std::string bench_html(const BenchReport& report);
