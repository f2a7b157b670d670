#include "io/atomic_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "soma/error.hpp"

namespace soma::io {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const fs::path& target, const char* doing, int error) {
  throw FormatError("cannot write " + target.string() + ": " + doing + ": " +
                    std::generic_category().message(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

template <class Call>
int retry(Call call) {
  int result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

fs::path folder_of(const fs::path& target) {
  return target.has_parent_path() ? target.parent_path() : fs::path(".");
}

/// Temporaries of a target all begin with this; '.' hides them from listings.
std::string temporary_prefix(const fs::path& target) {
  std::string prefix(1, '.');
  prefix += target.filename().string();
  return prefix += ".tmp-";
}

/// Removes temporaries whose writer is gone. A writer holds a lock on its temporary and the system
/// drops it however the writer ends, so a lock that can be had means a dead one; process ids would
/// mislead where they repeat (containers).
void remove_stale(const fs::path& target) {
  const std::string prefix = temporary_prefix(target);
  std::error_code ignored;
  for (fs::directory_iterator it(folder_of(target), ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (!it->path().filename().string().starts_with(prefix)) continue;
    const Descriptor file(::open(it->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.get() >= 0 && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      ::unlink(it->path().c_str());
    }
  }
}

}  // namespace

/// A temporary file that becomes the target, or vanishes.
class PendingFile {
 public:
  explicit PendingFile(fs::path target) : target_(std::move(target)) {
    static std::atomic<unsigned> counter{0};
    for (;;) {
      path_ = folder_of(target_) / (temporary_prefix(target_) + std::to_string(::getpid()) + "-" +
                                    std::to_string(counter++));
      file_ = Descriptor(retry(
          [&] { return ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
      if (file_.get() < 0) {
        if (errno == EEXIST) continue;  // of a process that had the same id, here or elsewhere
        fail(target_, "creating a temporary file beside it", errno);
      }
      // Where the file system has no locks, nobody takes this file for stale either.
      if (retry([&] { return ::flock(file_.get(), LOCK_EX); }) < 0) return;
      // Between open and lock another writer may have removed it as stale: then no name is left.
      struct stat status {};
      if (::fstat(file_.get(), &status) == 0 && status.st_nlink > 0) return;
    }
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (!done_) ::unlink(path_.c_str());
  }

  void fill(const std::function<void(FileSink&)>& write) {
    FileSink sink(file_.get(), target_);
    write(sink);
    sink.flush();
    if (retry([&] { return ::fsync(file_.get()); }) < 0) fail(target_, "fsync", errno);
  }

  void keep_predecessor() {
    const fs::path previous = previous_of(target_);
    const std::string link = path_.string() + "-previous";
    // A second name for the old file moves over the predecessor, so that the first name stays.
    while (::link(target_.c_str(), link.c_str()) == 0) {
      const bool moved = std::rename(link.c_str(), previous.c_str()) == 0;
      const int error = errno;
      ::unlink(link.c_str());  // rename does nothing if both are the same file already
      if (moved) return;
      if (error != ENOENT) fail(target_, "renaming the old file to .previous", error);
      // Another writer took the link for stale: once more.
    }
    if (errno == ENOENT) return;  // nothing to keep
    if (std::rename(target_.c_str(), previous.c_str()) < 0 && errno != ENOENT) {
      fail(target_, "renaming the old file to .previous", errno);
    }
  }

  void commit() {
    if (std::rename(path_.c_str(), target_.c_str()) < 0) {
      fail(target_, "renaming the temporary file", errno);
    }
    done_ = true;
    const Descriptor folder(::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // EINVAL: the file system has no such thing for folders.
    if (folder.get() >= 0 && retry([&] { return ::fsync(folder.get()); }) < 0 && errno != EINVAL) {
      fail(target_, "fsync of the folder", errno);
    }
  }

 private:
  fs::path target_, path_;
  Descriptor file_;
  bool done_ = false;
};

void FileSink::write(std::span<const std::byte> bytes) {
  constexpr std::size_t kGather = std::size_t{1} << 16;
  if (gathered_.size() + bytes.size() <= kGather) {
    gathered_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return;
  }
  flush();
  write_through(bytes);
}

void FileSink::flush() {
  write_through(std::as_bytes(std::span(gathered_)));
  gathered_.clear();
}

void FileSink::write_through(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // Linux writes at most 2^31 - 4096 bytes at once.
    const std::size_t piece = std::min(bytes.size(), std::size_t{1} << 30);
    const ssize_t written = ::write(fd_, bytes.data(), piece);
    if (written < 0) {
      if (errno == EINTR) continue;
      fail(target_, "write", errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

fs::path previous_of(const fs::path& target) { return target.string() + ".previous"; }

void write_atomically(const fs::path& target, const std::function<void(FileSink&)>& write,
                      Predecessor predecessor) {
  if (!target.has_filename()) throw FormatError("cannot write '" + target.string() + "': no name");
  if (fs::is_directory(target))
    throw FormatError("cannot write " + target.string() + ": it is a folder");
  remove_stale(target);
  PendingFile file(target);
  file.fill(write);
  if (predecessor == Predecessor::keep) file.keep_predecessor();
  file.commit();
}

}  // namespace soma::io
