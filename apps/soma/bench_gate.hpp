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

/// The fastest of a contest that is a peer, or that is none; null if none ran. The sum of
/// primitives does not count: it is no program that runs the model.
const Contestant* fastest(const Contest& contest, bool peers);

/// The models of `soma bench --suite peers`.
const std::vector<std::string>& suite_models();

/// A target that was missed.
struct Miss {
  std::string name, target, found;
  bool measured = true;  ///< false if it did not run
};

/// The targets that a contest misses. A target whose peer did not run is
/// not missed; a backend that did not run misses each of its targets.
std::vector<Miss> missed_targets(const Contest& contest);

/// The backends that more threads do not make as much faster as stated; of contests that differ in
/// their threads alone.
std::vector<Miss> missed_scaling(std::span<const Contest> contests);
/// How many times as fast `many` ran a contestant as `few`, round by round.
std::optional<Spread> speedup(const Contest& few, const Contest& many,
                              const std::string& contestant);

/// The contestants of the case that claim exact results and do not have the bits of the first that
/// does; empty when all is well.
std::vector<Miss> unequal_bits(const Contest& contest);
