#pragma once

#include <string>
#include <vector>

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

/// Compares two reports as `soma bench --save` writes them. Throws soma::FormatError naming `file`
/// if `before` is none.
Moves moves_between(const std::string& before, const std::string& file, const std::string& now);
