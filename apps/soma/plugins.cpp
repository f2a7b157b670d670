#include "soma/plugins.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "table.hpp"

namespace {

const char* name_of(soma::PluginStatus status) {
  switch (status) {
    case soma::PluginStatus::ready:
      return "ready";
    case soma::PluginStatus::rejected:
      return "rejected";
    case soma::PluginStatus::shadowed:
      return "shadowed";
  }
  return "";
}

void print_json(const std::vector<soma::PluginRecord>& records) {
  auto plugins = nlohmann::ordered_json::array();
  for (const auto& record : records) {
    plugins.push_back({{"path", record.path.string()},
                       {"name", record.name},
                       {"version", record.version},
                       {"kind", record.kind},
                       {"status", name_of(record.status)},
                       {"code", record.code},
                       {"reason", record.reason},
                       {"note", record.note}});
  }
  std::cout << nlohmann::ordered_json{{"plugins", plugins}}.dump() << "\n";
}

void print_text(const std::vector<soma::PluginRecord>& records) {
  if (!records.empty()) {
    Table table({{"plugin"}, {"version"}, {"brings"}, {"status"}, {"file"}});
    const auto shown = [](const std::string& text) -> std::string {
      return text.empty() ? "-" : text;
    };
    for (const auto& record : records) {
      table.add({record.name, shown(record.version), shown(record.kind), name_of(record.status),
                 record.path.string()});
    }
    table.print(std::cout);
  }
  bool first = true;
  for (const auto& record : records) {
    if (record.status == soma::PluginStatus::ready) continue;
    if (first) std::cout << "\nNot in use\n";
    first = false;
    std::cout << "  " << record.path.string() << "\n    " << record.code << ": " << record.reason
              << "\n";
  }
  for (const auto& record : records) {
    if (!record.note.empty())
      std::cout << "\nNote: " << record.path.string() << " was " << record.note << "\n";
  }
  std::cout << (records.empty() ? "No plugins found. Searched, in this order\n"
                                : "\nSearched, in this order\n");
  for (const auto& folder : soma::plugin_search_path())
    std::cout << "  " << folder.string() << "\n";
}

}  // namespace

int run_plugins(Arguments args) {
  bool json = false;
  CommandLine line("plugins", "[options]",
                   "Every plugin file on the search path: what it brings, or why it is not used.");
  line.flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;

  const std::vector<soma::PluginRecord> records = soma::list_plugins();
  if (json) {
    print_json(records);
  } else {
    print_text(records);
  }
  return 0;
}
