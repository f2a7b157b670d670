#pragma once

#include <string>
#include <vector>

#include "bench_report.hpp"

/// Colours go with contestants' names, in the order they are first met: the CSS variables --c0 to
/// --c6 of the page.
class Colours {
 public:
  /// "--c:var(--c3)"
  std::string style(const std::string& name);
  /// A legend of all names so far.
  std::string key();

 private:
  static constexpr std::ptrdiff_t kCount = 7;
  std::vector<std::string> names_;
};

// Plots as inline SVG or HTML; empty text where there is nothing to show.

/// GFLOP/s over FLOP per byte, both logarithmic, under the roofs of the machine: for every
/// contestant of an op or a model with the most threads.
std::string roofline_plot(const BenchReport& report, Colours& colours);
/// Of each model on each backend: kernels, packing of weights, and the rest, as shares of the step.
std::string step_plot(const BenchReport& report);
/// Times as fast with more threads as with the fewest.
std::string scaling_plot(const BenchReport& report, Colours& colours);
/// What moved against kept figures.
std::string moves_list(const Moves& moves);
