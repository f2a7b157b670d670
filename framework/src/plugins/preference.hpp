#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace soma::plugins {

/// What "auto" takes where nothing is measured: the first of these that is ready.
inline constexpr const char* kPreference[] = {"onednn", "tbb", "reference"};

/// The names that are preferred, in order, and the others after them.
inline std::vector<std::string> by_preference(std::vector<std::string> names) {
  std::ranges::stable_sort(names, {}, [](const std::string& name) {
    return std::ranges::find(kPreference, name) - std::begin(kPreference);
  });
  return names;
}

}  // namespace soma::plugins
