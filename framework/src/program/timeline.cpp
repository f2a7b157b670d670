#include "program/timeline.hpp"

#include <algorithm>
#include <atomic>

#include "soma/op_cost.hpp"

namespace soma {
namespace {

using Clock = Program::Timeline::Clock;

std::atomic<AllocationCounter> counter{nullptr};

std::int64_t allocations_now() noexcept {
  const AllocationCounter count = counter;
  return count == nullptr ? -1 : count();
}
/// From one reading to another.
std::int64_t between(std::int64_t from, std::int64_t to) {
  return from < 0 || to < 0 ? -1 : to - from;
}

double microseconds(Clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

}  // namespace

KernelTime::Phase phase_of(const Graph::Node& node) noexcept {
  switch (node.phase) {
    case Graph::Phase::forward:
      return KernelTime::Phase::forward;
    case Graph::Phase::backward:
      return KernelTime::Phase::backward;
    case Graph::Phase::update:
      break;
  }
  return KernelTime::Phase::update;
}

void set_allocation_counter(AllocationCounter with) noexcept { counter = with; }

const char* name_of(KernelTime::Phase phase) noexcept {
  constexpr const char* kNames[] = {"forward", "backward", "update"};
  return kNames[static_cast<int>(phase)];
}

StepTimeline::StepTimeline(const Program& program)
    : graph_(program.graph()), reports_(program.report()) {
  times_.kernels.reserve(2 * reports_.size());
  nodes_.reserve(2 * reports_.size());
  first_allocations_ = last_allocations_ = allocations_now();
  start_ = Clock::now();
}

void StepTimeline::packed(const Graph::Node& node, Clock::time_point begin) {
  add(node, begin, true);
}
void StepTimeline::ran(const Graph::Node& node, Clock::time_point begin) {
  add(node, begin, false);
}

void StepTimeline::add(const Graph::Node& node, Clock::time_point begin, bool pack) {
  const auto end = Clock::now();
  KernelTime time;
  const std::int64_t allocations = allocations_now();
  time.allocations = between(last_allocations_, allocations);
  time.pack = pack;
  time.phase = phase_of(node);
  time.begin_us = microseconds(begin - start_);
  time.duration_us = microseconds(end - begin);
  times_.kernels.push_back(std::move(time));
  nodes_.push_back(&node);
  own_allocations_ += between(allocations, allocations_now());
  last_allocations_ = allocations_now();
}

StepTimes StepTimeline::finish() {
  times_.total_us = microseconds(Clock::now() - start_);
  times_.allocations = between(first_allocations_, allocations_now());
  if (times_.allocations >= 0) times_.allocations -= own_allocations_;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Graph::Node& node = *nodes_[i];
    KernelTime& time = times_.kernels[i];
    const auto layer = static_cast<std::size_t>(node.layer);
    time.layer = layer < graph_.layers.size() ? graph_.layers[layer] : "optimizer";
    time.op = node.op;
    const auto report = std::ranges::find(reports_, &node, &Program::Report::node);
    if (report != reports_.end()) time.implementation = report->implementation;
    if (time.pack) continue;
    time.flops = flops(node.op);
    time.bytes = bytes_moved(node.op);
  }
  return std::move(times_);
}

}  // namespace soma
