#include "model/plugin_layer.hpp"

#include <vector>

#include "plugins/layer_instance.hpp"
#include "plugins/options.hpp"
#include "soma/error.hpp"
#include "soma/graph.hpp"

namespace soma {
namespace {

constexpr std::size_t kMostOperands = 48;  // a gradient of each is a bit of kWanted

std::vector<TensorInfo> infos_of(GraphBuilder& graph, std::span<const Value> values) {
  std::vector<TensorInfo> infos;
  for (const Value& v : values) {
    infos.push_back(graph.graph().values[static_cast<std::size_t>(v.id)].info);
  }
  return infos;
}

}  // namespace

PluginLayer::PluginLayer(const soma_layer& table, const Attributes& fields)
    : table_(table),
      fields_(plugins::checked_options(table.name, plugins::options_of(table), fields)) {}

Value PluginLayer::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const auto expected = static_cast<std::size_t>(table_.input_count);
  if (inputs.empty() || (expected > 0 && inputs.size() != expected)) {
    throw ShapeError(std::string(type()) + ": expected " +
                     (expected == 0 ? "one input or more" : std::to_string(expected) + " inputs") +
                     ", got " + std::to_string(inputs.size()));
  }
  for (const Value& input : inputs) {
    if (input.shape.rank() < 1) {
      throw ShapeError(std::string(type()) + ": expected an input [N,...], got " +
                       input.shape.str());
    }
  }
  return table_.compose != nullptr ? compose(table_, fields_, graph, inputs) : emit(graph, inputs);
}

Value PluginLayer::emit(GraphBuilder& graph, std::span<const Value> inputs) const {
  Op op{"layer/1.fwd", infos_of(graph, inputs), {}, fields_, graph.purpose()};
  op.attributes.set(kInputs, static_cast<std::int64_t>(inputs.size()));
  const plugins::LayerInstance instance(table_, fields_, op.inputs);
  std::vector<Value> operands(inputs.begin(), inputs.end());
  for (const auto& p : instance.parameters()) {
    operands.push_back(graph.parameter(p.name, p.shape, p.init, p.fan_in, p.fan_out));
    op.inputs.push_back({DType::f32, p.shape});
  }
  if (operands.size() > kMostOperands) {
    throw ShapeError(std::string(type()) + ": expected at most " + std::to_string(kMostOperands) +
                     " inputs and parameters, got " + std::to_string(operands.size()));
  }
  op.outputs = {instance.output()};
  if (graph.purpose() == Purpose::train) {
    op.outputs.insert(op.outputs.end(), instance.saved().begin(), instance.saved().end());
  }
  const Value output = graph.emit(std::move(op), operands).front();
  graph.graph().nodes.back().plugin = table_.name;
  return output;
}

}  // namespace soma
