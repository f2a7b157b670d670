#pragma once

#include <string>
#include <vector>

#include "program/program.hpp"
#include "soma/observer.hpp"

namespace soma {

/// What the values of a graph are called, see StepTensor. `slots`: the names of the optimizer's
/// tensors.
std::vector<std::string> value_names(const Graph& graph, const Model& model,
                                     const std::vector<std::string>& slots);

/// Shows the kernels of one program to an observer.
class Observation final : public Program::Observer {
 public:
  Observation(const Program& program, std::vector<std::string> names);
  /// Who looks at the runs from here on, which update they belong to, and the number of its first
  /// kernel there.
  void show(StepObserver& observer, std::int64_t step, std::size_t first = 0) noexcept;
  std::size_t kernels() const noexcept { return count_; }

  void before(int node, const void* const* inputs) override;
  void after(int node, void* const* outputs) override;

 private:
  struct Entry {
    StepKernel kernel;
    std::vector<StepTensor> inputs, outputs;
  };
  Entry& entry(int node) { return entries_[static_cast<std::size_t>(node)]; }

  std::vector<std::string> names_;
  std::vector<Entry> entries_;  // by node
  std::size_t count_ = 0, first_ = 0;
  StepObserver* observer_ = nullptr;
};

}  // namespace soma
