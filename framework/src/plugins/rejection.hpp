#pragma once

#include <string>

namespace soma::plugins {

/// Why a file is not admitted; code and reason as in PluginRecord. An empty code: nothing against
/// it.
struct Rejection {
  std::string code;
  std::string reason;
  explicit operator bool() const noexcept { return !code.empty(); }
};

}  // namespace soma::plugins
