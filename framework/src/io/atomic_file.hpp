#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace soma::io {

/// Where a file under construction takes its bytes. Small writes are gathered.
class FileSink {
 public:
  /// Appends. Throws FormatError naming the file and the system's reason, e.g. a full disk.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

 private:
  friend class PendingFile;
  FileSink(int fd, std::filesystem::path target) : fd_(fd), target_(std::move(target)) {}
  void flush();
  void write_through(std::span<const std::byte> bytes);

  int fd_;
  std::filesystem::path target_;  // for messages
  std::string gathered_;
};

/// What becomes of the file that a new one replaces.
enum class Predecessor {
  discard,
  keep  ///< it becomes "<name>.previous"
};

/// Writes a file that is there whole or not at all: `write` fills a temporary file in the same
/// folder, which is synced, renamed to `target`, and the folder synced.
///
/// A kill at any moment leaves `target` complete, old or new, if there was one; with
/// Predecessor::keep "<name>.previous" is complete too once it exists. (On a file system without
/// hard links `target` is missing for a moment, and its predecessor stands in.) A failure, also an
/// exception from `write`, removes the temporary. What killed processes left is removed when the
/// same target is written next. A symbolic link is replaced, not followed. Throws FormatError.
void write_atomically(const std::filesystem::path& target,
                      const std::function<void(FileSink&)>& write,
                      Predecessor predecessor = Predecessor::discard);

/// "<name>.previous", beside `target`.
std::filesystem::path previous_of(const std::filesystem::path& target);

}  // namespace soma::io
