#include "soma/layers.hpp"

#include <vector>

#include "model/layer_tools.hpp"

namespace soma {
namespace {

const std::vector<LayerType>& known_layers() {
  static const std::vector<LayerType> all = [] {
    std::vector<LayerType> list;
    for (const auto& family : {core_layers(), structure_layers(), window_layers(),
                               normalization_layers(), recurrent_layers(), attention_layers()}) {
      list.insert(list.end(), family.begin(), family.end());
    }
    return list;
  }();
  return all;
}

}  // namespace

Layer::~Layer() = default;

std::unique_ptr<Layer> make_layer(std::string_view type, const Attributes& fields) {
  for (const LayerType& known : known_layers()) {
    if (known.type == type) return known.make(fields);
  }
  std::string list;
  for (const std::string& t : layer_types()) list += (list.empty() ? "" : ", ") + t;
  throw ShapeError("type: unknown layer type '" + std::string(type) + "'; known are " + list);
}

std::vector<std::string> layer_types() {
  std::vector<std::string> types;
  for (const LayerType& known : known_layers()) types.emplace_back(known.type);
  return types;
}

}  // namespace soma
