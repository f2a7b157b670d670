#include "program/plugin_step.hpp"
#include "soma/plugins.hpp"

namespace soma {
namespace {

constexpr std::int64_t kGrain = 8192;
constexpr std::size_t kMostSlots = 16;

class OptimizerStep final : public PluginStep {
 public:
  explicit OptimizerStep(const Graph::Node& node)
      : table_(*find_optimizer_plugin(node.plugin)), n_(node.op.in(0).elements()) {}

  void run(const Run& run) const override {
    const auto* scalars = static_cast<const float*>(run.inputs[2]);
    const auto* gradient = static_cast<const float*>(run.inputs[1]);
    auto* weight = static_cast<float*>(run.outputs[0]);
    run.each(n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      float* slots[kMostSlots];
      for (int k = 0; k < table_.slot_count; ++k) {
        slots[k] = static_cast<float*>(run.outputs[1 + k]) + begin;
      }
      table_.step_f32(scalars, gradient + begin, weight + begin, slots, end - begin);
    });
  }

 private:
  const soma_optimizer& table_;
  std::int64_t n_;
};

}  // namespace

std::unique_ptr<const PluginStep> optimizer_step(const Graph::Node& node) {
  return std::make_unique<OptimizerStep>(node);
}

}  // namespace soma
