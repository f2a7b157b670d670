#pragma once

#include <filesystem>
#include <string>
#include <string_view>

/// Replaces `file` as a whole: a temporary beside it is written, synced and renamed, then the
/// folder is synced, so that a kill at any moment leaves the old text or the new. Throws
/// soma::FormatError.
void write_file(const std::filesystem::path& file, std::string_view text);

/// The temporary that write_file makes for `file`.
std::filesystem::path temporary_of(const std::filesystem::path& file);

/// The whole file. Throws soma::FormatError with the system's reason.
std::string read_file(const std::filesystem::path& file);

/// Makes `folder` and its parents; false if it was there already. Throws soma::FormatError "cannot
/// create folder ...: reason".
bool make_folder(const std::filesystem::path& folder);

/// Holds an advisory lock on a folder for as long as it lives, so that two processes do not train
/// in one run folder. The lock goes with the process, also when it is killed.
class FolderLock {
 public:
  /// Throws soma::StateError if another process holds it.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};
