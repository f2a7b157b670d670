#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "soma/fastest_backend.hpp"

namespace soma {

/// Where the answers of fastest_backend() are kept: one small file for each question. No failure is
/// ever reported: without the cache every answer is measured anew.
class ChoiceCache {
 public:
  ChoiceCache(const Model& model, const StepKind& kind);

  /// Nothing unless every plugin file on the search path is, by its identity or its SHA-256, what
  /// it was when the answer was found.
  std::optional<BackendChoice> recall() const;
  void remember(const BackendChoice& choice) const;

 private:
  std::string question_;         // all that the answer depends on besides the plugins, as a SHA-256
  std::filesystem::path place_;  // empty: there is none
};

}  // namespace soma
