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
  return Registry::instance().activation(name);
}

std::vector<std::string> activation_plugins() { return Registry::instance().activation_names(); }

}  // namespace soma
