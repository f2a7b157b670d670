#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

/// A file to get, and what it must be.
struct Download {
  std::string url;
  std::filesystem::path file;
  std::string sha256;            ///< 64 hex digits; empty: not known
  std::uint64_t size_bytes = 0;  ///< 0: not known
};

/// Gets the file by HTTP(S), FTP or file: into "<file>.part", goes on where an earlier call was cut
/// off, compares the SHA-256 and renames. A file that is there already and has the SHA-256 is left
/// alone. Progress on stderr. Throws soma::StateError, one sentence; what was received stays in
/// "<file>.part" unless it is wrong.
void download(const Download& what);

/// SHA-256 of a file in lower-case hex. Throws soma::FormatError.
std::string file_sha256(const std::filesystem::path& file);
