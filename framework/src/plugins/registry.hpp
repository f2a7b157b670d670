#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/manifest.hpp"
#include "plugins/search_path.hpp"
#include "soma/plugins.hpp"

namespace soma::plugins {

/// Every plugin file this process has met, each admitted at most once. Thread-safe.
class Registry {
 public:
  /// The one of this process; never destroyed, so that the order of shutdown does not matter.
  static Registry& instance();

  void add_folder(const std::filesystem::path& folder);
  std::vector<std::filesystem::path> folders() const;
  std::vector<PluginRecord> list();
  /// Those that backend() or table() found something in, in the order of their first use.
  std::vector<PluginRecord> in_use() const;
  /// The files that list() would admit, in its order; nothing is opened.
  std::vector<std::filesystem::path> files() const;
  /// Admits a file ahead of all that the search finds.
  PluginRecord load(const std::filesystem::path& file);

  /// A backend's table and the file it comes from; both live as long as the process.
  struct BackendSource {
    const soma_backend* table = nullptr;
    const std::filesystem::path* file = nullptr;
  };
  /// Loads libsoma_NAME.so if there is one, and the other files only if there is none. Throws
  /// PluginError: what was found instead and where it looked.
  BackendSource backend(std::string_view name);
  std::vector<std::string> backend_names();

  /// The table of that name, of any kind but backends; nullptr if no plugin brings it. Lives as
  /// long as the process.
  template <class Table>
  const Table* table(std::string_view name);
  /// The names of all tables of that kind.
  template <class Table>
  std::vector<std::string> names();

 private:
  // All of these are called with mutex_ held.
  struct Plugin {
    PluginRecord record;
    Manifest manifest;
  };

  std::vector<FoundFile> find() const;
  const Plugin& admitted(const std::filesystem::path& file);
  void note_use(const std::filesystem::path& file);
  Rejection claim_names(const std::filesystem::path& file, const Manifest& manifest);
  /// Calls visit(plugin) on each ready plugin, that of file name `first` before the others, until
  /// it returns true.
  template <class Visit>
  void search(std::string_view first, Visit visit);
  std::vector<std::string> ready_backends();
  [[noreturn]] void throw_not_found(std::string_view name);

  mutable std::mutex mutex_;
  std::vector<std::filesystem::path> added_;
  std::vector<std::filesystem::path> loaded_;  // asked for by name, before the search
  std::map<std::filesystem::path, Plugin> plugins_;
  std::vector<std::filesystem::path> used_;
  /// Which file brought a name of a kind: "layer squeeze_excite".
  std::map<std::string, std::filesystem::path, std::less<>> owners_;
};

}  // namespace soma::plugins
