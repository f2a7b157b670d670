#include "files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "soma/error.hpp"

namespace fs = std::filesystem;

namespace {

/// Closes on every way out.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string reason() { return std::strerror(errno); }

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

fs::path temporary_of(const fs::path& file) { return file.string() + ".tmp"; }

void write_file(const fs::path& file, std::string_view text) {
  const fs::path temporary = temporary_of(file);
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const auto fail = [&] {
    const std::string why = reason();
    unlink(temporary.c_str());
    throw soma::FormatError("cannot write " + file.string() + ": " + why);
  };
  {
    const Descriptor out(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (out.get() < 0 || !write_all(out.get(), text) || fsync(out.get()) != 0) fail();
  }
  if (rename(temporary.c_str(), file.c_str()) != 0) fail();
  const Descriptor parent(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() >= 0) fsync(parent.get());
}

std::string read_file(const fs::path& file) {
  const Descriptor in(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.get() < 0) throw soma::FormatError("cannot open " + file.string() + ": " + reason());
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t count = read(in.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw soma::FormatError("cannot read " + file.string() + ": " + reason());
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

bool make_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path() && !fs::is_directory(folder.parent_path(), error)) {
    fs::create_directories(folder.parent_path(), error);
  }
  if (mkdir(folder.c_str(), 0777) == 0) return true;
  const std::string why = reason();
  if (errno == EEXIST && fs::is_directory(folder)) return false;
  throw soma::FormatError("cannot create folder " + folder.string() + ": " + why);
}

FolderLock::FolderLock(const fs::path& folder)
    : descriptor_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) {
    throw soma::FormatError("cannot open folder " + folder.string() + ": " + reason());
  }
  // Only a held lock is an error: some network file systems have no locks at all.
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(descriptor_);
    throw soma::StateError("another process is training in " + folder.string());
  }
}

FolderLock::~FolderLock() { close(descriptor_); }
