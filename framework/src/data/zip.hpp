#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace soma::data {

/// The files in a ZIP archive, as far as .npz files go: stored or deflated, with the extensions for
/// more than 4 GB, not encrypted. Source: PKWARE's APPNOTE.TXT 6.3.10.
class ZipArchive {
 public:
  struct Entry {
    std::string name;
    std::uint16_t method = 0;
    std::uint32_t crc = 0;
    std::uint64_t packed = 0, size = 0, offset = 0;  ///< offset of the local header
  };

  /// `bytes` must outlive the archive. Throws FormatError "origin: offset N: ...".
  ZipArchive(std::string_view bytes, std::string origin);
  const std::vector<Entry>& entries() const noexcept { return entries_; }
  /// The content of an entry, its checksum compared.
  std::string read(const Entry& entry) const;

 private:
  [[noreturn]] void fail(std::uint64_t offset, const std::string& problem) const;
  std::uint64_t number(std::uint64_t offset, int size) const;
  std::string_view part(std::uint64_t offset, std::uint64_t size, const char* what) const;
  void read_directory(std::uint64_t at, std::uint64_t count);

  std::string_view bytes_;
  std::string origin_;
  std::vector<Entry> entries_;
};

}  // namespace soma::data
