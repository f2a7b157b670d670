#pragma once

#include <map>
#include <string>
#include <vector>

#include "bench_contest.hpp"

/// A figure that is not what it was: the ranges over the rounds, then and now, do not meet.
struct Move {
  std::string name;  ///< "lenet5, train, batch 64, onednn fast, 2 threads"
  double before_ms = 0, now_ms = 0;
};

struct Moves {
  std::string file;
  int same = 0;                      ///< within the spread
  std::vector<Move> slower, faster;  ///< the largest first
  std::vector<std::string> unknown;  ///< not in the file
};

/// The figures of a report that `soma bench --save` wrote, to hold others against.
class Baseline {
 public:
  /// Throws soma::FormatError naming `file` if it holds no such report.
  explicit Baseline(const std::string& file);
  /// What moved since, in another report.
  Moves moves_to(const std::string& report) const;

 private:
  std::string file_;
  std::map<std::string, Spread> kept_;
};
