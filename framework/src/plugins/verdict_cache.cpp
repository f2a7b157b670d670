#include "plugins/verdict_cache.hpp"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "io/sha256.hpp"
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
constexpr std::int64_t kClockTick = kSecond / 10;  // of file systems' time stamps, generously

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

std::int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return nanoseconds(time);
}

fs::path cache_home() {
  // A relative path is no path, says the XDG Base Directory Specification.
  const char* home = secure_getenv("XDG_CACHE_HOME");
  if (home != nullptr && *home == '/') return home;
  home = secure_getenv("HOME");
  if (home != nullptr && *home == '/') return fs::path(home) / ".cache";
  return {};
}

/// FNV-1a: spreads paths over file names; the record itself holds the path.
std::uint64_t spread(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::string hash_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  io::Sha256 hash;
  std::vector<char> piece(1 << 16);
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0)
    hash.update(std::as_bytes(std::span(piece.data(), static_cast<std::size_t>(in.gcount()))));
  return hash.hex();
}

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

/// Old records go when a new one comes, so that paths of the past do not pile up.
void remove_old(const fs::path& folder) {
  std::error_code ignored;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (now() - FileIdentity::of(it->path()).modified_ns > kKeepAcceptance)
      ::unlink(it->path().c_str());
  }
}

}  // namespace

FileIdentity FileIdentity::of(const fs::path& file) {
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) return {};
  return {about.st_dev, about.st_ino, static_cast<std::uint64_t>(about.st_size),
          nanoseconds(about.st_mtim), nanoseconds(about.st_ctim)};
}

struct VerdictCache::Record {
  FileIdentity identity;
  std::string sha256, code, reason;
  std::int64_t at = 0;
};

VerdictCache::VerdictCache(const Probe& probe) {
  const fs::path home = cache_home();
  if (home.empty()) return;
  folder_ = home / "soma" / "plugins";
  host_ = describe_host(probe);
}

fs::path VerdictCache::place_of(const fs::path& file) const {
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.json",
                static_cast<unsigned long long>(spread(file.native())));
  return folder_ / name;
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
    const std::int64_t age = now() - record.at;
    if (age < 0 || age > (record.code.empty() ? kKeepAcceptance : kKeepTimeout)) return {};
    const FileIdentity identity = FileIdentity::of(file);
    if (identity != record.identity) {
      if (identity.size != record.identity.size || hash_of(file) != record.sha256) return {};
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
    write(file, {probed, hash_of(file), verdict.code, verdict.reason, now()});
  } catch (const std::exception&) {
    // as if there were no place for it
  }
}

void VerdictCache::write(const fs::path& file, const Record& record) const {
  const FileIdentity& identity = record.identity;
  if (FileIdentity::of(file) != identity || now() - identity.changed_ns < kClockTick) return;
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
  std::error_code ignored;
  fs::create_directories(folder_, ignored);
  remove_old(folder_);
  // Whole or not at all, but without io::write_atomically's syncs: what a power cut leaves is
  // recognised as damaged.
  const fs::path place = place_of(file);
  std::string temporary = place.string() + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return;
  const std::string bytes = text.dump(1) + "\n";
  const bool whole = ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  ::close(fd);
  if (!whole || ::rename(temporary.c_str(), place.c_str()) != 0) ::unlink(temporary.c_str());
}

}  // namespace soma::plugins
