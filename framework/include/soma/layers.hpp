#pragma once

#include <memory>
#include <string>
#include <vector>

#include "soma/layers/attention.hpp"
#include "soma/layers/core.hpp"
#include "soma/layers/latent.hpp"
#include "soma/layers/normalization.hpp"
#include "soma/layers/recurrent.hpp"
#include "soma/layers/structure.hpp"
#include "soma/layers/window.hpp"

namespace soma {

/// A Layer made of a description.
template <class Spec>
class LayerOf final : public Layer {
 public:
  explicit LayerOf(Spec spec) : spec_(std::move(spec)) {}
  std::string_view type() const noexcept override { return Spec::kType; }
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const override {
    return spec_.build(graph, inputs);
  }
  Attributes attributes() const override { return spec_.attributes(); }

 private:
  Spec spec_;
};

/// Makes a layer by its type and fields, as in a model file. Throws ShapeError naming the known
/// types or the bad field.
SOMA_API std::unique_ptr<Layer> make_layer(std::string_view type, const Attributes& fields);
/// The types make_layer knows, those of plugins too.
SOMA_API std::vector<std::string> layer_types();

}  // namespace soma
