#include "plugins/verdict_cache.hpp"

#include <gnu/libc-version.h>

#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "plugins/cpu_level.hpp"
#include "soma/abi.h"
#include "soma/version.hpp"

namespace soma::plugins {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFormat = 1;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kKeepAcceptance = 30 * 24 * 3600 * kSecond, kKeepTimeout = 3600 * kSecond;

/// All that a verdict depends on besides the file.
std::string describe_host(const Probe& probe) {
  const CpuWords cpu = read_cpu();
  const FileIdentity program = FileIdentity::of(probe.program);
  std::ostringstream text;
  text << "soma " << version() << ", " << SOMA_ABI_SECTION << ", probe " << program.size << '.'
       << program.modified_ns << ", glibc " << gnu_get_libc_version() << ", cpu " << std::hex
       << cpu.leaf1_ecx << '.' << cpu.leaf7_ebx << '.' << cpu.extended1_ecx << '.' << cpu.xcr0;
  return text.str();
}

}  // namespace

struct VerdictCache::Record {
  FileIdentity identity;
  std::string sha256, code, reason;
  std::int64_t at = 0;
};

VerdictCache::VerdictCache(const Probe& probe) {
  folder_ = cache_folder("plugins");
  if (!folder_.empty()) host_ = describe_host(probe);
}

fs::path VerdictCache::place_of(const fs::path& file) const {
  return folder_ / cache_file_name(file.native());
}

std::optional<Rejection> VerdictCache::recall(const fs::path& file) const {
  if (folder_.empty()) return {};
  try {
    std::ifstream in(place_of(file));
    if (!in) return {};
    const json text = json::parse(in);
    if (text.at("format") != kFormat || text.at("path") != file.string() ||
        text.at("host") != host_)
      return {};
    Record record{{text.at("device"), text.at("inode"), text.at("size"), text.at("modified_ns"),
                   text.at("changed_ns")},
                  text.at("sha256"),
                  text.at("code"),
                  text.at("reason"),
                  text.at("at")};
    const std::int64_t age = now_ns() - record.at;
    if (age < 0 || age > (record.code.empty() ? kKeepAcceptance : kKeepTimeout)) return {};
    const FileIdentity identity = FileIdentity::of(file);
    if (identity != record.identity) {
      if (identity.size != record.identity.size || sha256_of(file) != record.sha256) return {};
      record.identity = identity;
      write(file, record);
    }
    return Rejection{record.code, record.reason};
  } catch (const std::exception&) {
    return {};  // a damaged record is none
  }
}

void VerdictCache::remember(const fs::path& file, const FileIdentity& probed,
                            const Rejection& verdict) const {
  if (folder_.empty() || (verdict && verdict.code != "probe_timeout")) return;
  try {
    write(file, {probed, sha256_of(file), verdict.code, verdict.reason, now_ns()});
  } catch (const std::exception&) {
    // as if there were no place for it
  }
}

void VerdictCache::write(const fs::path& file, const Record& record) const {
  const FileIdentity& identity = record.identity;
  if (FileIdentity::of(file) != identity || identity.is_fresh()) return;
  const json text = {{"format", kFormat},
                     {"path", file.string()},
                     {"host", host_},
                     {"device", identity.device},
                     {"inode", identity.inode},
                     {"size", identity.size},
                     {"modified_ns", identity.modified_ns},
                     {"changed_ns", identity.changed_ns},
                     {"sha256", record.sha256},
                     {"code", record.code},
                     {"reason", record.reason},
                     {"at", record.at}};
  write_cache_file(place_of(file), text.dump(1) + "\n", kKeepAcceptance);
}

}  // namespace soma::plugins
