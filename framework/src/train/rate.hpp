#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "soma/schedule.hpp"

namespace soma {

/// A schedule with its options read once, so that a step looks up no text.
class Rate {
 public:
  explicit Rate(const Schedule& schedule);
  /// See learning_rate().
  double at(const ScheduleState& state, double base, std::int64_t step,
            std::int64_t total_steps) const;

 private:
  enum class Type { constant, step, multistep, exponential, cosine, one_cycle, plateau };
  double total(std::int64_t total_steps) const;
  double one_cycle(double base, double i, double total) const;

  Type type_ = Type::constant;
  std::string text_;  // for a message
  double warmup_, factor_, every_, total_, min_, start_, end_, peak_at_;
  std::vector<double> milestones_;
};

}  // namespace soma
