#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiment.hpp"

namespace lab {

/// An experiment that was run.
struct Outcome {
  const Experiment* experiment = nullptr;
  const Chapter* chapter = nullptr;
  Finding finding;
  std::string error;  ///< why it could not measure; then there is no finding
  double seconds = 0;
  std::string command;  ///< runs it again
};

/// What the whole book was made with.
struct Edition {
  std::string backend, numerics, version, cpu;
  int threads = 1;
  bool quick = false;
};

/// A book in one file that needs nothing else: a chapter for each group, with the claim, the
/// measurement, the verdict, the figures and the command that repeats each experiment. Light and
/// dark, narrow screens, keyboard.
std::string book_html(const std::vector<Outcome>& outcomes, const Edition& edition);

/// "S1" ... of a list such as "S7 S8".
std::vector<std::string> concepts_of(const Experiment& experiment);

}  // namespace lab
