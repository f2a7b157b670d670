// C0: what can be said of a file without executing any of it.
#include "soma/conformance/certify.hpp"
#include "soma/plugins.hpp"

namespace soma::conformance {

Verdict examine_file(const std::filesystem::path& file) {
  Verdict verdict;
  verdict.checks = 1;
  const PluginRecord record = inspect_plugin(file);
  if (record.status != PluginStatus::ready) {
    verdict.fail("admission", record.code + ": " + record.reason);
  }
  return verdict;
}

}  // namespace soma::conformance
