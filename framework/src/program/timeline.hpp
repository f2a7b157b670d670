#pragma once

#include "program/program.hpp"
#include "soma/profile.hpp"

namespace soma {

KernelTime::Phase phase_of(const Graph::Node& node) noexcept;

/// Collects the times of one step of a program.
class StepTimeline final : public Program::Timeline {
 public:
  explicit StepTimeline(const Program& program);
  void packed(const Graph::Node& node, Clock::time_point begin) override;
  void ran(const Graph::Node& node, Clock::time_point begin) override;
  /// Ends the step.
  StepTimes finish();

 private:
  void add(const Graph::Node& node, Clock::time_point begin, bool pack);

  const Graph& graph_;
  std::vector<Program::Report> reports_;
  Clock::time_point start_;
  StepTimes times_;
  std::int64_t first_allocations_ = -1, last_allocations_ = -1;
  std::int64_t own_allocations_ = 0;       // of this object, while the step ran
  std::vector<const Graph::Node*> nodes_;  // of times_.kernels
};

}  // namespace soma
