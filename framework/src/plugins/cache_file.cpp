#include "plugins/cache_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <vector>

#include "io/sha256.hpp"

namespace soma::plugins {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kClockTick = kSecond / 10;  // of file systems' time stamps, generously

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

/// Old records go when a new one comes, so that paths of the past do not pile up.
void remove_old(const fs::path& folder, std::int64_t keep_ns) {
  std::error_code ignored;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (now_ns() - FileIdentity::of(it->path()).modified_ns > keep_ns) ::unlink(it->path().c_str());
  }
}

}  // namespace

FileIdentity FileIdentity::of(const fs::path& file) {
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) return {};
  return {about.st_dev, about.st_ino, static_cast<std::uint64_t>(about.st_size),
          nanoseconds(about.st_mtim), nanoseconds(about.st_ctim)};
}

bool FileIdentity::is_fresh() const { return now_ns() - changed_ns < kClockTick; }

std::int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return nanoseconds(time);
}

std::string sha256_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  io::Sha256 hash;
  std::vector<char> piece(1 << 16);
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0)
    hash.update(std::as_bytes(std::span(piece.data(), static_cast<std::size_t>(in.gcount()))));
  return hash.hex();
}

fs::path cache_folder(std::string_view name) {
  // A relative path is no path, says the XDG Base Directory Specification.
  const char* home = secure_getenv("XDG_CACHE_HOME");
  if (home != nullptr && *home == '/') return fs::path(home) / "soma" / name;
  home = secure_getenv("HOME");
  if (home != nullptr && *home == '/') return fs::path(home) / ".cache" / "soma" / name;
  return {};
}

std::string cache_file_name(std::string_view text) {
  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.json", static_cast<unsigned long long>(hash));
  return name;
}

void write_cache_file(const fs::path& place, std::string_view text, std::int64_t keep_ns) {
  std::error_code ignored;
  fs::create_directories(place.parent_path(), ignored);
  remove_old(place.parent_path(), keep_ns);
  std::string temporary = place.string() + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return;
  const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (!whole || ::rename(temporary.c_str(), place.c_str()) != 0) ::unlink(temporary.c_str());
}

}  // namespace soma::plugins
