#include "bench_figures.hpp"

#include <algorithm>

#include "soma/op_cost.hpp"

namespace {

/// FLOP and bytes of each kernel. Of a peer's model: those of a backend that ran the same.
std::vector<std::pair<double, double>> work_of(const Contest& contest, const Contestant& c) {
  std::vector<std::pair<double, double>> work;
  if (contest.op_case != nullptr) {
    for (const soma::Op& op : contest.op_case->ops) {
      work.emplace_back(soma::flops(op), soma::bytes_moved(op));
    }
    return work;
  }
  if (c.breakdown) return c.breakdown->work;
  for (const Contestant& other : contest.contestants) {
    if (other.breakdown) return other.breakdown->work;
  }
  return work;
}

}  // namespace

std::optional<BenchFigures> figures_of(const Contest& contest, const Contestant& contestant,
                                       const std::vector<soma::bench::Peaks>& peaks) {
  if (!contestant.ran()) return std::nullopt;
  const auto work = work_of(contest, contestant);
  if (work.empty()) return std::nullopt;
  BenchFigures figures;
  const auto limits = std::ranges::find(peaks, contest.threads, &soma::bench::Peaks::threads);
  double least_ms = 0;
  for (const auto& [flops, bytes] : work) {
    figures.flops += flops;
    figures.bytes += bytes;
    if (limits != peaks.end()) least_ms += limits->least_ms(flops, bytes);
  }
  const double ms = spread(contestant.medians()).median;
  figures.gflops = figures.flops / ms / 1e6;
  figures.gbytes = figures.bytes / ms / 1e6;
  if (least_ms > 0) figures.roofline = least_ms / ms;
  if (const auto& b = contestant.breakdown) {
    figures.outside = b->outside_share();
    figures.packs = b->packs_ms / b->total_ms;
  }
  return figures;
}
