#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace soma::plugins {

/// A file libsoma_*.so on the search path.
struct FoundFile {
  std::filesystem::path path;
  std::filesystem::path shadowed_by;  ///< the one of the same name that comes first, or empty
};

/// The folders to search: `added` (first one first), SOMA_PLUGIN_PATH, and the places around the
/// executable and libsoma. Absolute, each once, whether they exist or not.
std::vector<std::filesystem::path> search_folders(const std::vector<std::filesystem::path>& added);

/// Every libsoma_*.so in those folders: folders in order, names within a folder sorted.
std::vector<FoundFile> find_files(const std::vector<std::filesystem::path>& folders);

/// "tbb" -> "libsoma_tbb.so", and back.
std::string file_name_for(std::string_view plugin);
std::string plugin_name_from(const std::filesystem::path& file);

}  // namespace soma::plugins
