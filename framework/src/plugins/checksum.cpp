#include "plugins/checksum.hpp"

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "io/sha256.hpp"

namespace soma::plugins {

Rejection check_checksum(const std::filesystem::path& file) {
  constexpr std::string_view kMark = "SOMA-SHA256 ";
  constexpr std::size_t kDigits = 64, kTrailer = kMark.size() + kDigits + 1;
  std::ifstream in(file, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  if (all.size() < kTrailer) return {};
  const std::string_view trailer = std::string_view(all).substr(all.size() - kTrailer);
  if (!trailer.starts_with(kMark) || trailer.back() != '\n') return {};
  io::Sha256 hash;
  hash.update(std::string_view(all).substr(0, all.size() - kTrailer));
  if (hash.hex() == trailer.substr(kMark.size(), kDigits)) return {};
  return {"damaged", "its bytes are not those that the checksum behind it was made for"};
}

}  // namespace soma::plugins
