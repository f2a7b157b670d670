#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "replay.hpp"

/// One element in which the results of one kernel differ between two sides, "a" and "b", that were
/// given the same inputs.
struct Divergence {
  struct Of {
    double value = 0;
    bool exact = false;  ///< the class that the kernel claims
    std::string implementation;
    bool canonical = false;       ///< it has the bits of the canonical order
    std::optional<double> share;  ///< of the a-priori bound: |value - float64| / limit
  };
  std::int64_t step = 0, epoch = 0, step_in_epoch = 0;  ///< from 1
  std::int64_t kernel = 0, kernels = 0;                 ///< the how many-th of the step, from 1
  std::string layer, phase, op_id, op;
  std::size_t output = 0, element = 0;      ///< of its outputs; in row-major order, from 0
  std::vector<std::int64_t> index;          ///< the same as coordinates
  std::size_t differing = 0, elements = 0;  ///< in all outputs
  Of a, b;
  std::optional<std::uint32_t> ulp;      ///< none if one of them is no number
  double relative = 0;                   ///< |a - b| / max(|a|, |b|)
  std::optional<double> float64, limit;  ///< the a-priori bound: what float64 gives, how far off
  std::string note;                      ///< why there is no bound, or what is odd besides
};

/// The kernels of one op id that gave other bits inside their bounds.
struct OpComparison {
  std::string op_id;
  std::int64_t differing = 0;  ///< how often
  std::uint32_t worst_ulp = 0;
  double worst_share = 0;  ///< of the a-priori bound, over both sides
};

struct Comparison {
  Side a, b;
  std::int64_t steps = 0, kernels = 0;  ///< compared
  std::optional<Divergence> first;      ///< the first difference in bits
  /// The first that may not be: two exact kernels with different bits, or one outside its bound.
  std::optional<Divergence> failed;
  std::string trouble;            ///< a side could not go on: which, where and why
  std::vector<OpComparison> ops;  ///< in the order first met
  bool passed() const { return !failed && trouble.empty(); }
};

/// Trains on both sides in lock-step, each in a child process of its own, and compares what each
/// kernel gives. Where a kernel of the class bounded gives other bits inside its bound, b goes on
/// with the numbers of a, so that all kernels get the same inputs to the end. Two exact kernels
/// that differ, or one outside its bound, end the comparison. Holds the operands of one kernel at a
/// time. Shows progress on stderr.
Comparison compare_in_lockstep(const ReplayJob& a, const ReplayJob& b);

/// What to say of two sides that were known to differ, and in lock-step do not.
inline constexpr const char* kAgreedAfterAll =
    "this time both computed the same: what differs is in a kernel that does several ops at once, "
    "which\nlock-step runs one by one, or outside of the kernels, or not in every run\n";

/// What was found, for people.
void print_comparison(const Comparison& comparison, std::ostream& out);
nlohmann::ordered_json comparison_json(const Comparison& comparison);
