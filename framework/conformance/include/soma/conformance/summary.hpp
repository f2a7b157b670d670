#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "soma/conformance/checks.hpp"

namespace soma::conformance {

/// What was run for one op id on one backend.
struct OpCounts {
  std::set<std::string> cases;
  int checks = 0;
  int failed = 0;
  double worst_share = 0;
};

/// Results of one backend, by op id.
class Summary {
 public:
  void add(const Result& result);
  const std::map<std::string, OpCounts>& ops() const noexcept { return ops_; }
  /// Aligned text, one line per op id and a total.
  std::string text() const;

 private:
  std::map<std::string, OpCounts> ops_;
};

/// Writes the rows of `column` (such as "onednn exact") into the markdown table at `file`, keeping
/// the other columns that are there already.
void write_table(const std::filesystem::path& file, const std::string& column,
                 const Summary& summary);

}  // namespace soma::conformance
