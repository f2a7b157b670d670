#include "program/plugin_step.hpp"

namespace soma {
namespace {

constexpr std::int64_t kGrain = 8192;

/// average += scalars[0] * (weight - average), three roundings per element.
class AverageStep final : public PluginStep {
 public:
  explicit AverageStep(const Graph::Node& node) : n_(node.op.in(0).elements()) {}

  void run(const Run& run) const override {
    const auto* weight = static_cast<const float*>(run.inputs[1]);
    const float share = *static_cast<const float*>(run.inputs[2]);
    auto* average = static_cast<float*>(run.outputs[0]);
    run.each(n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) average[i] += share * (weight[i] - average[i]);
    });
  }

 private:
  std::int64_t n_;
};

}  // namespace

std::unique_ptr<const PluginStep> average_step(const Graph::Node& node) {
  return std::make_unique<AverageStep>(node);
}

}  // namespace soma
