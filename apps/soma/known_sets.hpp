#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// A public data set: where its files are, and what they must be.
struct KnownSet {
  struct File {
    std::string url, sha256;
    std::uint64_t size_bytes;
    std::string place;  ///< under soma::data::folder()
  };
  std::string name;
  std::vector<File> files;
  /// Of an archive, the only file: what to take out of it, into the folder where it lies.
  std::vector<std::string> members = {};
};

std::span<const KnownSet> known_sets();
