#pragma once

#include <span>
#include <string>
#include <vector>

#include "program/program.hpp"
#include "soma/observer.hpp"

namespace soma {

/// A hook on a layer's output or on its gradient.
struct LayerHook {
  std::string layer;
  KernelTime::Phase phase = KernelTime::Phase::forward;  ///< or backward
  Hook call;
};

/// The numbers, in a graph of `model`, of the layers whose gradients have hooks.
std::vector<int> layers_with_gradient_hooks(const Graph& graph,
                                            const std::vector<LayerHook>& hooks);

/// Throws StateError that lists the layers unless there is one of that name.
void require_layer(std::span<const std::string> layers, const std::string& layer);

/// The hooks of one program, called right after the kernel that computes their tensor.
class HookCalls final : public Program::Observer {
 public:
  /// Throws StateError if a gradient with a hook is not computed. `hooks` must outlive this.
  HookCalls(const Graph& graph, const std::vector<LayerHook>& hooks);
  void set_step(std::int64_t step) noexcept { step_ = step; }
  void before(int node, const void* const* inputs) override;
  void after(int node, void* const* outputs) override;

 private:
  struct Call {
    const LayerHook* hook;
    std::size_t operand;
    Shape shape;
  };
  bool place(const Graph& graph, const LayerHook& hook, int value);
  void call(const Call& call, void* data) const;

  std::vector<std::vector<Call>> calls_;        // by node, with its outputs
  std::vector<std::vector<Call>> early_calls_;  // with its inputs: of layers that give the model's
  std::int64_t step_ = 0;
};

/// Several observers, in their order.
class Observers final : public Program::Observer {
 public:
  void add(Program::Observer* observer) {
    if (observer != nullptr) list_[count_++] = observer;
  }
  /// Itself, the only one, or null for none.
  Program::Observer* get() noexcept { return count_ > 1 ? this : list_[0]; }
  void before(int node, const void* const* inputs) override {
    for (std::size_t i = 0; i < count_; ++i) list_[i]->before(node, inputs);
  }
  void after(int node, void* const* outputs) override {
    for (std::size_t i = 0; i < count_; ++i) list_[i]->after(node, outputs);
  }

 private:
  Program::Observer* list_[4] = {};
  std::size_t count_ = 0;
};

}  // namespace soma
