#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "soma/api.hpp"
#include "soma/sdk/op.hpp"

namespace soma {

/// The learning rate as a function of the update, written as text: a name and, in brackets, its
/// options, e.g. "cosine(warmup=100,total=5000,min=0)". Letters: base the optimizer's learning
/// rate, i the update from 0, without the warm-up.
///
///   constant                       base
///   step(every,factor=0.1)         base * factor^floor(i / every)
///   multistep(at=A/B/C,factor=0.1) base * factor^(number of A, B, C that i has reached)
///   exponential(factor)            base * factor^i
///   cosine(total=0,min=0)          min + (base - min) * (1 + cos(pi * i / total)) / 2, then min
///   one_cycle(total=0,peak_at=0.3,start=0.04,end=4e-6)   from start * base up to base at the share
///                                  peak_at of all updates, down to end * base, along cosines
///   plateau(factor=0.1,patience=10,threshold=1e-4,min=0)   base, times factor (but not below min)
///                                  after each `patience` + 1 epochs whose loss was not below
///                                  (1 - threshold) * best; the loss is that of the validation data
///                                  if there are any, else the mean over the epoch
///
/// All but one_cycle also take warmup=W: over the first W updates the rate rises in equal steps
/// from base / W to base; what follows begins after them, and total includes them. total=0 stands
/// for the updates of the fit. Sources: Loshchilov & Hutter, arXiv:1608.03983 (cosine); Smith,
/// arXiv:1708.07120 (one_cycle); one_cycle and plateau in the form of PyTorch.
struct SOMA_API Schedule {
  std::string type = "constant";
  Attributes options;  ///< as given; `at` a text, the others reals

  Schedule() = default;
  /// Throws ShapeError for an unknown name or option, a missing or an impossible value.
  Schedule(std::string_view text);                                         // NOLINT: a text
  Schedule(const char* text) : Schedule(std::string_view(text)) {}         // NOLINT: is a
  Schedule(const std::string& text) : Schedule(std::string_view(text)) {}  // NOLINT: schedule
  /// The text that gives this schedule.
  std::string str() const;
};

/// What a plateau schedule has seen; part of a checkpoint.
struct ScheduleState {
  double scale = 1;
  double best = std::numeric_limits<double>::infinity();
  std::int64_t waited = 0;  ///< epochs since the best one
};

/// The rate of update number `step`, from 1. `total_steps`: of the fit, 0 if nobody knows; throws
/// StateError where it is needed then.
SOMA_API double learning_rate(const Schedule& schedule, const ScheduleState& state, double base,
                              std::int64_t step, std::int64_t total_steps);
/// Tells a plateau schedule the loss of an epoch; others do not care.
SOMA_API void observe(const Schedule& schedule, ScheduleState& state, double loss);

}  // namespace soma
