#include "soma/layers.hpp"

#include <algorithm>
#include <vector>

#include "model/layer_tools.hpp"
#include "model/plugin_layer.hpp"
#include "plugins/builtin_names.hpp"
#include "soma/plugins.hpp"

namespace soma {
namespace {

const std::vector<LayerType>& known_layers() {
  static const std::vector<LayerType> all = [] {
    std::vector<LayerType> list;
    for (const auto& family :
         {core_layers(), structure_layers(), window_layers(), normalization_layers(),
          recurrent_layers(), attention_layers(), latent_layers()}) {
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
  if (const soma_layer* plugin = find_layer_plugin(type)) {
    return std::make_unique<PluginLayer>(*plugin, fields);
  }
  std::string list;
  for (const std::string& t : layer_types()) list += (list.empty() ? "" : ", ") + t;
  throw ShapeError("type: unknown layer type '" + std::string(type) + "'; known are " + list);
}

std::vector<std::string> layer_types() {
  std::vector<std::string> types;
  for (const LayerType& known : known_layers()) types.emplace_back(known.type);
  for (std::string& plugin : layer_plugins()) types.push_back(std::move(plugin));
  return types;
}

bool is_builtin_layer(std::string_view type) noexcept {
  return std::ranges::find(known_layers(), type, &LayerType::type) != known_layers().end();
}

}  // namespace soma
