#pragma once

#include <cstddef>
#include <memory>

#include "soma/backend.hpp"
#include "soma/graph.hpp"

namespace soma {

/// A node that a plugin's activation, layer, loss or optimizer computes, prepared: its loops run
/// through the parallel_for of the active backend, and its sums are canonical, so that it gives the
/// same bits under every backend and thread count. Immutable; neither allocates nor locks.
class PluginStep {
 public:
  struct Run {
    const void* const* inputs;  // in the order of the node
    void* const* outputs;
    void* workspace;
    const Backend* backend;
    int threads;

    /// Calls body(begin, end) over [0, n) in pieces of at least `grain`.
    template <class Body>
    void each(std::int64_t n, std::int64_t grain, const Body& body) const {
      backend->parallel_for(
          threads, n, grain,
          [](void* argument, std::int64_t begin, std::int64_t end) {
            (*static_cast<const Body*>(argument))(begin, end);
          },
          const_cast<Body*>(&body));
    }
  };
  virtual ~PluginStep();
  virtual void run(const Run& run) const = 0;
  std::size_t workspace_bytes() const noexcept { return workspace_bytes_; }

 protected:
  std::size_t workspace_bytes_ = 0;
};

/// What computes `node`, whose op is of one of these families (inputs -> outputs), `node.plugin`
/// naming the plugin:
///
///   activation/1.fwd   x, parameters [1]... -> y; and .bwd: x, grad_y, parameters... -> grad_x,
///                      gradients of the parameters [1]...
///   loss/1.fwd         output [items,width], targets -> loss [1]; and .bwd: output, targets,
///                      grad_loss [1] -> grad_output
///   optimizer/1.step   weight, gradient, scalars, slots... -> weight, slots..., in place
///   average/1.step     average, weight, share [1] -> average, in place: the framework's own
///   layer/1.fwd        inputs, parameters -> output, saved; and .bwd: see layer_step.cpp
std::unique_ptr<const PluginStep> make_plugin_step(const Graph::Node& node);

// Each in the file of its name.
std::unique_ptr<const PluginStep> activation_step(const Graph::Node& node);
std::unique_ptr<const PluginStep> loss_step(const Graph::Node& node);
std::unique_ptr<const PluginStep> optimizer_step(const Graph::Node& node);
std::unique_ptr<const PluginStep> average_step(const Graph::Node& node);
std::unique_ptr<const PluginStep> layer_step(const Graph::Node& node);

}  // namespace soma
