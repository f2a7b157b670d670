// Prints what libsoma makes of the plugins it finds, as JSON: each test runs it as a process of
// its own, since a library that was loaded stays. Usage:
//   plugin_lister [--folder DIR]... [list | folders | threads | backend NAME | activation NAME]
#include <xmmintrin.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "soma/backend.hpp"
#include "soma/plugins.hpp"

namespace {

using nlohmann::json;

json to_json(const std::vector<soma::PluginRecord>& records) {
  constexpr const char* kStatus[] = {"ready", "rejected", "shadowed"};
  json list = json::array();
  for (const auto& r : records) {
    list.push_back({{"path", r.path.string()},
                    {"name", r.name},
                    {"version", r.version},
                    {"kind", r.kind},
                    {"status", kStatus[static_cast<int>(r.status)]},
                    {"code", r.code},
                    {"reason", r.reason}});
  }
  return list;
}

json list() {
  const unsigned before = _mm_getcsr();
  json plugins = to_json(soma::list_plugins());
  return {{"plugins", plugins},
          {"mxcsr_before", before & ~0x3Fu},
          {"mxcsr_after", _mm_getcsr() & ~0x3Fu}};
}

json folders() {
  json list = json::array();
  for (const auto& folder : soma::plugin_search_path()) list.push_back(folder.string());
  return list;
}

/// Eight threads that list at the same time.
json threads() {
  std::vector<json> seen(8);
  std::vector<std::thread> all;
  for (json& mine : seen) all.emplace_back([&mine] { mine = to_json(soma::list_plugins()); });
  for (std::thread& thread : all) thread.join();
  return seen;
}

json backend(const std::string& name) {
  try {
    const soma::Backend found = soma::backend(name);
    return {{"name", found.name()}, {"path", found.path().string()}};
  } catch (const soma::Error& e) {
    return {{"error", e.what()}};
  }
}

json activation(const std::string& name) {
  const soma_activation* found = soma::find_activation_plugin(name);
  if (found == nullptr) return nullptr;
  const float x = 21;
  float y = 0;
  found->forward_f32(&x, &y, 1);
  return {{"name", found->name}, {"f(21)", y}, {"has_f64", found->forward_f64 != nullptr}};
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  while (args.size() >= 2 && args[0] == "--folder") {
    soma::add_plugin_path(args[1]);
    args.erase(args.begin(), args.begin() + 2);
  }
  const std::string what = args.empty() ? "list" : args[0];
  const std::string name = args.size() > 1 ? args[1] : "";
  const json result = what == "folders"      ? folders()
                      : what == "threads"    ? threads()
                      : what == "backend"    ? backend(name)
                      : what == "activation" ? activation(name)
                                             : list();
  std::cout << result.dump() << "\n";
}
