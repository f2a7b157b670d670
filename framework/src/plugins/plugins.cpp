#include "soma/plugins.hpp"

#include "plugins/admission.hpp"
#include "plugins/fp_environment.hpp"
#include "plugins/registry.hpp"

namespace soma {

using plugins::Registry;

void add_plugin_path(const std::filesystem::path& folder) {
  Registry::instance().add_folder(folder);
}

std::vector<std::filesystem::path> plugin_search_path() { return Registry::instance().folders(); }

std::vector<PluginRecord> list_plugins() { return Registry::instance().list(); }

PluginRecord load_plugin(const std::filesystem::path& file) {
  return Registry::instance().load(file);
}

PluginRecord inspect_plugin(const std::filesystem::path& file) {
  const plugins::Rejection no = plugins::inspect(file);
  PluginRecord record;
  record.path = file;
  record.name = plugins::plugin_name_from(file);
  record.status = no ? PluginStatus::rejected : PluginStatus::ready;
  record.code = no.code;
  record.reason = no.reason;
  return record;
}

std::vector<PluginRecord> plugins_in_use() { return Registry::instance().in_use(); }

std::uint64_t fp_environment_faults() noexcept {
  return plugins::fp_faults.load(std::memory_order_relaxed);
}

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
