#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace soma::plugins {

/// What tells a file from its earlier self without reading it.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;  // mtime and ctime since the epoch

  /// Of the file that `file` leads to; all zero if it leads nowhere.
  static FileIdentity of(const std::filesystem::path& file);
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;

  /// It changed so lately that another change would leave no trace in its time stamps.
  bool is_fresh() const;
};

/// Nanoseconds since the epoch.
std::int64_t now_ns();

/// SHA-256 in hex; of nothing if the file cannot be read.
std::string sha256_of(const std::filesystem::path& file);

/// $XDG_CACHE_HOME/soma/NAME or ~/.cache/soma/NAME, existing or not; empty if there is no home.
std::filesystem::path cache_folder(std::string_view name);

/// "0123456789abcdef.json": spreads texts over file names. The record itself holds the text.
std::string cache_file_name(std::string_view text);

/// Writes a small file whole or not at all, without the syncs of io::write_atomically: what a power
/// cut leaves must be recognised as damaged. Removes the files of the folder that are older than
/// `keep_ns`. Failures go unreported.
void write_cache_file(const std::filesystem::path& place, std::string_view text,
                      std::int64_t keep_ns);

}  // namespace soma::plugins
