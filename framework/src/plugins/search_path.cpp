#include "plugins/search_path.hpp"

#include <algorithm>
#include <boost/dll/runtime_symbol_info.hpp>
#include <cstdlib>
#include <map>
#include <string_view>

namespace soma::plugins {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "libsoma_", kSuffix = ".so";
const char kInsideThisLibrary = 0;  // its address tells where libsoma lies

void append_folder(std::vector<fs::path>* folders, const fs::path& folder) {
  std::error_code error;
  fs::path whole = fs::weakly_canonical(fs::absolute(folder, error), error);
  if (error) whole = folder;
  // "/a/" and "/a" are one folder; the first place of the list is the one that counts.
  if (!whole.has_filename()) whole = whole.parent_path();
  if (std::ranges::find(*folders, whole) == folders->end()) folders->push_back(whole);
}

bool is_plugin_name(std::string_view name) {
  return name.size() > kPrefix.size() + kSuffix.size() && name.starts_with(kPrefix) &&
         name.ends_with(kSuffix);
}

}  // namespace

std::vector<fs::path> search_folders(const std::vector<fs::path>& added) {
  std::vector<fs::path> folders;
  for (const fs::path& folder : added) append_folder(&folders, folder);

  // secure_getenv: a program that runs with more rights than its user must not load the user's
  // code.
  if (const char* list = secure_getenv("SOMA_PLUGIN_PATH")) {
    std::string_view rest = list;
    while (!rest.empty()) {
      const std::size_t colon = std::min(rest.find(':'), rest.size());
      // An empty entry would mean the current directory.
      if (colon > 0) append_folder(&folders, fs::path(rest.substr(0, colon)));
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }

  std::error_code error;
  const fs::path program = boost::dll::program_location(error);
  if (!error && program.has_parent_path())
    append_folder(&folders, program.parent_path() / ".." / "lib" / "soma");
  const fs::path library = boost::dll::symbol_location(kInsideThisLibrary, error);
  if (!error && library.has_parent_path()) append_folder(&folders, library.parent_path() / "soma");
  append_folder(&folders, SOMA_INSTALL_PLUGIN_DIR);
  return folders;
}

std::vector<FoundFile> find_files(const std::vector<fs::path>& folders) {
  std::vector<FoundFile> found;
  std::map<std::string, fs::path> first;
  for (const fs::path& folder : folders) {
    std::error_code error;
    std::vector<fs::path> here;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (is_plugin_name(it->path().filename().native())) here.push_back(it->path());
    }
    std::ranges::sort(here);
    for (const fs::path& file : here) {
      const auto [place, is_first] = first.emplace(file.filename().string(), file);
      found.push_back({file, is_first ? fs::path() : place->second});
    }
  }
  return found;
}

std::string file_name_for(std::string_view plugin) {
  return std::string(kPrefix).append(plugin).append(kSuffix);
}

std::string plugin_name_from(const fs::path& file) {
  const std::string name = file.filename().string();
  if (!is_plugin_name(name)) return name;
  return name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
}

}  // namespace soma::plugins
