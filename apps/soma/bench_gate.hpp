#pragma once

#include "bench_contest.hpp"

/// A target, held to the median of the ratios of the rounds.
struct Target {
  std::string contestant;  ///< "best": the backend that was fastest
  std::string against;     ///< "peers": the fastest of them
  double limit = 1;
  /// Only where the contestant runs a primitive of oneDNN, not a canonical kernel.
  bool primitives_only = false;

  std::string str() const;  ///< "tbb at most 2 x onednn"
};
/// Of every op case with `target`.
const std::vector<Target>& op_targets();
/// Of a contest; a model has its own, none if it is not of the suite.
std::vector<Target> targets_of(const Contest& contest);

/// The models of `soma bench --suite peers`.
const std::vector<std::string>& suite_models();

/// A target that was missed.
struct Miss {
  std::string name, target, found;
};

/// The targets that a contest misses. A target whose peer did not run is
/// not missed; a backend that did not run misses each of its targets.
std::vector<Miss> missed_targets(const Contest& contest);

/// The contestants of the case that claim exact results and do not have the bits of the first that
/// does; empty when all is well.
std::vector<Miss> unequal_bits(const Contest& contest);
