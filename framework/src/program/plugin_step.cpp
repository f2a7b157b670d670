#include "program/plugin_step.hpp"

#include "soma/error.hpp"

namespace soma {

PluginStep::~PluginStep() = default;

std::unique_ptr<const PluginStep> make_plugin_step(const Graph::Node& node) {
  const std::string_view family = node.op.family();
  if (family == "activation/1") return activation_step(node);
  if (family == "loss/1") return loss_step(node);
  if (family == "optimizer/1") return optimizer_step(node);
  if (family == "average/1") return average_step(node);
  if (family == "layer/1") return layer_step(node);
  throw StateError("no plugin computes ops of the family " + std::string(family));
}

}  // namespace soma
