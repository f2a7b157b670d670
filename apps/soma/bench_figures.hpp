#pragma once

#include <optional>
#include <vector>

#include "bench_contest.hpp"
#include "peaks.hpp"

/// What a contestant's time means on this machine.
struct BenchFigures {
  double flops = 0, bytes = 0;     ///< of one execution
  double gflops = 0, gbytes = 0;   ///< per second
  std::optional<double> roofline;  ///< the least possible time over the time taken
  std::optional<double> outside;   ///< share of a model's step between its kernels
  std::optional<double> packs;     ///< share of it spent on bringing weights into layouts
};

/// Nothing if it did not run, or if nobody knows what it computed. `peaks`: for several numbers of
/// threads; without those of the contest there is no roofline.
std::optional<BenchFigures> figures_of(const Contest& contest, const Contestant& contestant,
                                       const std::vector<soma::bench::Peaks>& peaks);
