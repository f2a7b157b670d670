#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "graph/gradients.hpp"
#include "program/plan.hpp"
#include "program/plugin_step.hpp"
#include "soma/backend.hpp"
#include "soma/graph.hpp"
#include "soma/model.hpp"
#include "soma/optimizer.hpp"
#include "soma/profile.hpp"

namespace soma {

/// The optimizer's tensors: per parameter, one per slot, zeros at the start; and the gradients that
/// several batches add to, where they do.
struct OptimizerState {
  std::vector<std::vector<Tensor>> slots;
  std::vector<Tensor> sums;
};

/// Where a program's leaves find their memory; everything outlives the program.
struct Storage {
  std::vector<Parameter>* parameters = nullptr;
  OptimizerState* optimizer = nullptr;  // only for programs with an update
};

/// A graph compiled for a backend: prepared kernels in order over one memory plan. The program
/// itself does not change while it runs; what does is in an Instance, so several can run at once.
/// Running neither allocates, looks up names nor locks.
class Program {
 public:
  /// Memory and resolved pointers of one execution at a time.
  class Instance {
   public:
    /// Of input number i; float32 or int32, as the graph says.
    std::byte* input(std::size_t i = 0) const noexcept { return graph_inputs_[i]; }
    /// Of loss number i.
    std::byte* targets(std::size_t i = 0) const noexcept { return losses_[i].targets; }
    /// For models with random ops, else null.
    std::int32_t* random() const noexcept { return reinterpret_cast<std::int32_t*>(random_); }
    float* scalars(ScalarSet set = ScalarSet::optimizer) const noexcept {
      return reinterpret_cast<float*>(scalars_[static_cast<std::size_t>(set)]);
    }
    const float* output(std::size_t i = 0) const noexcept { return graph_outputs_[i]; }
    /// The sum over the losses, then the penalties, of weight * value, in order, from the first.
    float loss() const noexcept;
    /// Of loss number i, if it is on classes; else null.
    const float* probabilities(std::size_t i = 0) const noexcept {
      return losses_[i].probabilities;
    }

   private:
    friend class Program;
    AlignedBytes arena_;
    std::vector<const void*> inputs_;  // of all steps, one after the other
    std::vector<void*> outputs_;
    std::vector<Kernel::Buffers> buffers_;  // of each step
    struct LossPlace {
      std::byte* targets;
      const float *value, *probabilities;
      float weight;
    };
    struct PenaltyPlace {
      const float* value;
      float weight;
    };
    std::vector<std::byte*> graph_inputs_;
    std::vector<const float*> graph_outputs_;
    std::vector<LossPlace> losses_;
    std::vector<PenaltyPlace> penalties_;
    std::byte* scalars_[kScalarSets] = {};
    std::byte* random_ = nullptr;
  };

  /// Prepares every op of `graph`. Throws UnsupportedError that lists all ops the backend cannot
  /// do.
  Program(Graph graph, Backend backend, Storage storage);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Instance make_instance() const;
  /// Gets the time of each kernel, in the order they run.
  class Timeline {
   public:
    using Clock = std::chrono::steady_clock;
    virtual void packed(const Graph::Node& node, Clock::time_point begin) = 0;
    virtual void ran(const Graph::Node& node, Clock::time_point begin) = 0;

   protected:
    ~Timeline() = default;
  };

  /// Meets each kernel of a run: in between, nothing else happens. `node` is its number in the
  /// graph; operands come in its order. What is written to the outputs is what later kernels see.
  class Observer {
   public:
    virtual void before(int node, const void* const* inputs) {
      static_cast<void>(node), static_cast<void>(inputs);
    }
    virtual void after(int node, void* const* outputs) = 0;

   protected:
    ~Observer() = default;
  };

  /// The steps before the optimizer's, from the inputs to the gradients, or those of the update.
  enum class Part { all, gradients, update };

  /// Repacks the weights whose version changed since the last call. Not while an instance runs.
  void refresh_packs(int threads, Timeline* timeline = nullptr);
  /// Runs the steps of that part; there are parts only where all updates come last. The inputs,
  /// targets and scalars of `instance` are filled in by the caller before, each time.
  void run(Instance& instance, int threads, Timeline* timeline = nullptr,
           Observer* observer = nullptr, Part part = Part::all) const;

  /// Where a value is in the memory of an instance (or of the model and the optimizer); null if no
  /// kernel uses it. It holds what the value's kernel wrote until another value takes its place.
  std::byte* address(const Instance& instance, int value) const;

  const Graph& graph() const noexcept { return graph_; }
  /// Bytes of one instance, workspaces included, and of the packs.
  std::size_t arena_bytes() const noexcept { return arena_bytes_; }
  /// What is alive at the step where most is: no plan for these lifetimes can do with less.
  std::size_t ideal_bytes() const { return least_memory(blocks_); }
  std::size_t pack_bytes() const noexcept;
  StepMemory step_memory() const { return {arena_bytes_, ideal_bytes(), pack_bytes()}; }

  struct Report {
    const Graph::Node* node;
    std::string implementation;
    Exactness exactness;
  };
  std::vector<Report> report() const;

 private:
  struct Step {
    int node = -1;
    Kernel kernel;  // or, for what a plugin computes:
    std::shared_ptr<const PluginStep> plugin;
    std::size_t first_input = 0, first_output = 0;  // into the instance's pointers
    int workspace = -1;                             // its block in blocks_, or -1
    AlignedBytes pack;                              // of parameters; shared by all instances
    std::vector<std::uint64_t>
        packed_versions;  // of the packed parameters, in the order of packed_parameters
    std::vector<int> packed_parameters;
    bool pack_each_run = false;  // the pack depends on something that is no parameter
  };

  void prepare_kernels();
  void place();
  void run_step(const Step& step, const Kernel::Buffers& buffers, int threads) const;
  Kernel::Buffers buffers(const Step& step, const Instance& instance) const;
  std::size_t workspace_bytes(const Step& step) const;

  Graph graph_;
  Backend backend_;
  Storage storage_;
  std::vector<Step> steps_;
  std::size_t update_begin_ = 0;  // the first step of the update
  bool interleaved_ = false;      // gradients follow it
  std::vector<int> place_of_;     // per value: its block in blocks_, or -1
  std::vector<Lifetime> blocks_;
  std::size_t arena_bytes_ = 0;
  std::size_t input_count_ = 0, output_count_ = 0;
};

}  // namespace soma
