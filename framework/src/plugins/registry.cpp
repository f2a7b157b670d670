#include "plugins/registry.hpp"

#include <algorithm>

#include "plugins/admission.hpp"
#include "plugins/builtin_names.hpp"
#include "soma/error.hpp"
#include "soma/sdk/ops/activation.hpp"

namespace soma::plugins {
namespace {

namespace fs = std::filesystem;
using Owners = std::map<std::string, fs::path, std::less<>>;

/// What a kind is called, and whether a name of it means something without any plugin.
template <class Table>
struct Kind;
template <>
struct Kind<soma_backend> {
  static constexpr const char* kWord = "backend";
  static bool builtin(std::string_view name) { return name == "auto"; }
};
template <>
struct Kind<soma_activation> {
  static constexpr const char* kWord = "activation";
  static bool builtin(std::string_view name) {
    return name == "identity" || name == "swish" || name == "prelu" ||
           ops::find_activation(name) != nullptr;
  }
};
template <>
struct Kind<soma_layer> {
  static constexpr const char* kWord = "layer";
  static bool builtin(std::string_view name) { return is_builtin_layer(name); }
};
template <>
struct Kind<soma_loss> {
  static constexpr const char* kWord = "loss";
  static bool builtin(std::string_view name) { return is_builtin_loss(name); }
};
template <>
struct Kind<soma_optimizer> {
  static constexpr const char* kWord = "optimizer";
  static bool builtin(std::string_view name) { return is_builtin_optimizer(name); }
};

template <class Table>
std::string owner_key(std::string_view name) {
  return Kind<Table>::kWord + (" " + std::string(name));
}

template <class Table>
Rejection check_free(const std::vector<Table>& tables, const Owners& owners) {
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const std::string_view name = tables[i].name;
    const std::string claim =
        std::string("it brings the ") + Kind<Table>::kWord + " '" + std::string(name) + "', ";
    if (Kind<Table>::builtin(name)) return {"duplicate_name", claim + "a name that is built in"};
    if (const auto owner = owners.find(owner_key<Table>(name)); owner != owners.end())
      return {"duplicate_name", claim + "which " + owner->second.string() + " brought before"};
    for (std::size_t j = 0; j < i; ++j) {
      if (name == tables[j].name) return {"duplicate_name", claim + "more than once"};
    }
  }
  return {};
}

/// Calls visit(tables) with the manifest's tables of each kind, until one says no.
template <class Visit>
Rejection each_kind(const Manifest& manifest, Visit visit) {
  Rejection no = visit(manifest.backends);
  if (!no) no = visit(manifest.activations);
  if (!no) no = visit(manifest.layers);
  if (!no) no = visit(manifest.losses);
  if (!no) no = visit(manifest.optimizers);
  return no;
}

std::string join(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& item : list) text += (text.empty() ? "" : ", ") + item;
  return text;
}

}  // namespace

Registry& Registry::instance() {
  static Registry& registry = *new Registry;
  return registry;
}

void Registry::add_folder(const fs::path& folder) {
  if (folder.empty()) throw PluginError("plugin path: the name of the folder is empty");
  const std::scoped_lock lock(mutex_);
  added_.insert(added_.begin(), fs::absolute(folder));
}

std::vector<fs::path> Registry::folders() const {
  const std::scoped_lock lock(mutex_);
  return search_folders(added_);
}

std::vector<FoundFile> Registry::find() const {
  std::vector<FoundFile> files;
  for (const fs::path& file : loaded_) files.push_back({file, {}});
  for (FoundFile& found : find_files(search_folders(added_))) {
    const auto before = std::ranges::find_if(
        loaded_, [&](const fs::path& file) { return file.filename() == found.path.filename(); });
    if (before != loaded_.end()) {
      if (*before == found.path) continue;
      found.shadowed_by = *before;
    }
    files.push_back(std::move(found));
  }
  return files;
}

std::vector<fs::path> Registry::files() const {
  const std::scoped_lock lock(mutex_);
  std::vector<fs::path> files;
  for (FoundFile& file : find()) {
    if (file.shadowed_by.empty()) files.push_back(std::move(file.path));
  }
  return files;
}

PluginRecord Registry::load(const fs::path& file) {
  const std::scoped_lock lock(mutex_);
  const fs::path whole = fs::absolute(file).lexically_normal();
  if (std::ranges::find(loaded_, whole) == loaded_.end()) loaded_.push_back(whole);
  return admitted(whole).record;
}

std::vector<PluginRecord> Registry::in_use() const {
  const std::scoped_lock lock(mutex_);
  std::vector<PluginRecord> records;
  for (const fs::path& file : used_) records.push_back(plugins_.at(file).record);
  return records;
}

void Registry::note_use(const fs::path& file) {
  if (std::ranges::find(used_, file) == used_.end()) used_.push_back(file);
}

Rejection Registry::claim_names(const fs::path& file, const Manifest& manifest) {
  if (Rejection no =
          each_kind(manifest, [&](const auto& tables) { return check_free(tables, owners_); }))
    return no;
  return each_kind(manifest, [&]<class Table>(const std::vector<Table>& tables) {
    for (const Table& table : tables) owners_[owner_key<Table>(table.name)] = file;
    return Rejection{};
  });
}

const Registry::Plugin& Registry::admitted(const fs::path& file) {
  const auto known = plugins_.find(file);
  if (known != plugins_.end()) return known->second;
  Plugin plugin;
  Manifest manifest;
  Rejection no = admit(file, &manifest, &plugin.record.note);
  if (!no) no = claim_names(file, manifest);
  plugin.record.path = file;
  plugin.record.name = manifest.name.empty() ? plugin_name_from(file) : manifest.name;
  plugin.record.version = manifest.version;
  plugin.record.kind = manifest.kind();
  plugin.record.brings = manifest.brings();
  plugin.record.status = no ? PluginStatus::rejected : PluginStatus::ready;
  plugin.record.code = no.code;
  plugin.record.reason = no.reason;
  if (!no) plugin.manifest = std::move(manifest);
  return plugins_.emplace(file, std::move(plugin)).first->second;
}

std::vector<PluginRecord> Registry::list() {
  const std::scoped_lock lock(mutex_);
  std::vector<PluginRecord> records;
  for (const FoundFile& file : find()) {
    if (file.shadowed_by.empty()) {
      records.push_back(admitted(file.path).record);
    } else {
      records.push_back({file.path, plugin_name_from(file.path), "", "", PluginStatus::shadowed,
                         "shadowed",
                         file.shadowed_by.string() + " comes first on the search path"});
    }
  }
  return records;
}

template <class Visit>
void Registry::search(std::string_view first, Visit visit) {
  std::vector<FoundFile> files = find();
  std::erase_if(files, [](const FoundFile& f) { return !f.shadowed_by.empty(); });
  const std::string wanted = file_name_for(first);
  const auto searched = files.begin() + static_cast<std::ptrdiff_t>(loaded_.size());
  std::stable_partition(searched, files.end(),
                        [&](const FoundFile& f) { return f.path.filename() == wanted; });
  for (const FoundFile& file : files) {
    if (visit(admitted(file.path))) return;
  }
}

Registry::BackendSource Registry::backend(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  BackendSource found;
  search(name, [&](const Plugin& plugin) {
    const PluginRecord& record = plugin.record;
    for (const soma_backend& backend : plugin.manifest.backends) {
      if (name == backend.name) {
        found = {&backend, &record.path};
        return true;
      }
    }
    // A file of that very name that cannot be used is the answer; nothing else replaces it
    // silently.
    if (record.status == PluginStatus::rejected && plugin_name_from(record.path) == name) {
      throw PluginError("backend '" + std::string(name) +
                        "' cannot be used: " + record.path.string() + " was rejected (" +
                        record.code + "): " + record.reason);
    }
    return false;
  });
  if (found.table == nullptr) throw_not_found(name);
  note_use(*found.file);
  return found;
}

void Registry::throw_not_found(std::string_view name) {
  const std::vector<std::string> ready = ready_backends();
  std::vector<std::string> folders;
  for (const fs::path& folder : search_folders(added_)) folders.push_back(folder.string());
  throw PluginError("backend '" + std::string(name) + "' not found: " +
                    (ready.empty() ? "no backend is ready" : "ready are " + join(ready)) +
                    "; looked in " + join(folders));
}

std::vector<std::string> Registry::backend_names() {
  const std::scoped_lock lock(mutex_);
  return ready_backends();
}

std::vector<std::string> Registry::ready_backends() {
  std::vector<std::string> names;
  search("", [&](const Plugin& plugin) {
    for (const soma_backend& backend : plugin.manifest.backends) names.emplace_back(backend.name);
    return false;
  });
  return names;
}

template <class Table>
const Table* Registry::table(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  const Table* found = nullptr;
  search(name, [&](const Plugin& plugin) {
    for (const Table& table : plugin.manifest.tables<Table>()) {
      if (name == table.name) found = &table;
    }
    if (found != nullptr) note_use(plugin.record.path);
    return found != nullptr;
  });
  return found;
}

template <class Table>
std::vector<std::string> Registry::names() {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> names;
  search("", [&](const Plugin& plugin) {
    for (const Table& table : plugin.manifest.tables<Table>()) names.emplace_back(table.name);
    return false;
  });
  return names;
}

template const soma_activation* Registry::table(std::string_view);
template const soma_layer* Registry::table(std::string_view);
template const soma_loss* Registry::table(std::string_view);
template const soma_optimizer* Registry::table(std::string_view);
template std::vector<std::string> Registry::names<soma_activation>();
template std::vector<std::string> Registry::names<soma_layer>();
template std::vector<std::string> Registry::names<soma_loss>();
template std::vector<std::string> Registry::names<soma_optimizer>();

}  // namespace soma::plugins
