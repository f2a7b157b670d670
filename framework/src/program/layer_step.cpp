#include <vector>

#include "model/plugin_layer.hpp"
#include "plugins/calls.hpp"
#include "plugins/layer_instance.hpp"
#include "program/plugin_step.hpp"
#include "soma/plugins.hpp"

namespace soma {
namespace {

/// A plugin's layer, prepared. Its op's operands:
///
///   fwd  inputs, parameters -> output, saved (training only)
///   bwd  inputs, parameters, saved, grad_output -> the wanted ones of: gradients of the inputs,
///        of the parameters
class LayerStep final : public PluginStep {
 public:
  explicit LayerStep(const Graph::Node& node)
      : inputs_(static_cast<std::size_t>(node.op.attributes.integer(PluginLayer::kInputs, 1))),
        instance_(*find_layer_plugin(node.plugin), node.op.attributes,
                  std::span(node.op.inputs).first(inputs_)),
        parameters_(instance_.parameters().size()),
        forward_(node.op.direction() == "fwd"),
        trains_(node.op.purpose == Purpose::train && !instance_.saved().empty()),
        wanted_(node.op.attributes.integer(PluginLayer::kWanted, 0)) {
    workspace_bytes_ =
        forward_ ? instance_.forward_workspace_bytes() : instance_.backward_workspace_bytes();
  }

  void run(const Run& run) const override {
    auto exec = plugins::headed<soma_layer_exec>();
    exec.threads = run.threads;
    exec.inputs = run.inputs;
    exec.parameters = run.inputs + inputs_;
    exec.workspace = run.workspace;
    exec.pool = const_cast<Run*>(&run);
    exec.parallel_for = [](void* pool, std::int64_t n, std::int64_t grain, soma_range_fn fn,
                           void* argument) {
      const Run& r = *static_cast<const Run*>(pool);
      r.backend->parallel_for(r.threads, n, grain, fn, argument);
    };
    if (forward_) {
      exec.output = run.outputs[0];
      exec.saved = trains_ ? run.outputs + 1 : nullptr;
      instance_.forward(exec);
      return;
    }
    const std::size_t own = inputs_ + parameters_, saved = instance_.saved().size();
    exec.saved = const_cast<void* const*>(run.inputs + own);
    exec.grad_output = run.inputs[own + saved];
    void* gradients[64] = {};
    for (std::size_t i = 0, next = 0; i < own; ++i) {
      if ((wanted_ >> i & 1) != 0) gradients[i] = run.outputs[next++];
    }
    exec.grad_inputs = gradients;
    exec.grad_parameters = gradients + inputs_;
    instance_.backward(exec);
  }

 private:
  std::size_t inputs_;
  plugins::LayerInstance instance_;
  std::size_t parameters_;
  bool forward_, trains_;
  std::int64_t wanted_;
};

}  // namespace

std::unique_ptr<const PluginStep> layer_step(const Graph::Node& node) {
  return std::make_unique<LayerStep>(node);
}

}  // namespace soma
