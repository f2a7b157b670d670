#pragma once

#include "soma/layer.hpp"

namespace soma {

/// A layer type that a plugin brings: its own ops, or a composition of other layers.
class PluginLayer final : public Layer {
 public:
  /// Throws ShapeError for a field that the plugin does not take.
  PluginLayer(const soma_layer& table, const Attributes& fields);
  std::string_view type() const noexcept override { return table_.name; }
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const override;
  Attributes attributes() const override { return fields_; }

  /// Attributes of an op of the family layer/1 beside the layer's fields, which have no colon: how
  /// many of its inputs are the layer's, and which gradients a backward gives, bit i for input i.
  static constexpr const char *kInputs = "soma:inputs", *kWanted = "soma:wanted";

 private:
  Value emit(GraphBuilder& graph, std::span<const Value> inputs) const;

  const soma_layer& table_;
  Attributes fields_;
};

/// Lets the plugin build its layer from others.
Value compose(const soma_layer& table, const Attributes& fields, GraphBuilder& graph,
              std::span<const Value> inputs);

}  // namespace soma
