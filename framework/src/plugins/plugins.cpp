#include "soma/plugins.hpp"

#include "plugins/registry.hpp"

namespace soma {

using plugins::Registry;

void add_plugin_path(const std::filesystem::path& folder) {
  Registry::instance().add_folder(folder);
}

std::vector<std::filesystem::path> plugin_search_path() { return Registry::instance().folders(); }

std::vector<PluginRecord> list_plugins() { return Registry::instance().list(); }

const soma_activation* find_activation_plugin(std::string_view name) {
  return Registry::instance().table<soma_activation>(name);
}
const soma_layer* find_layer_plugin(std::string_view name) {
  return Registry::instance().table<soma_layer>(name);
}
const soma_loss* find_loss_plugin(std::string_view name) {
  return Registry::instance().table<soma_loss>(name);
}
const soma_optimizer* find_optimizer_plugin(std::string_view name) {
  return Registry::instance().table<soma_optimizer>(name);
}

std::vector<std::string> activation_plugins() {
  return Registry::instance().names<soma_activation>();
}
std::vector<std::string> layer_plugins() { return Registry::instance().names<soma_layer>(); }
std::vector<std::string> loss_plugins() { return Registry::instance().names<soma_loss>(); }
std::vector<std::string> optimizer_plugins() {
  return Registry::instance().names<soma_optimizer>();
}

}  // namespace soma
