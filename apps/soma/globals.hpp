#pragma once

#include <string>
#include <vector>

/// The folders given with --plugin-path, in order: what a child process has to be given again.
inline std::vector<std::string>& plugin_folders() {
  static std::vector<std::string> folders;
  return folders;
}
