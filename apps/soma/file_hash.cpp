#include "file_hash.hpp"

#include <openssl/evp.h>

#include <array>

#include "files.hpp"
#include "soma/error.hpp"

std::string sha256_of_text(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    throw soma::StateError("cannot compute a SHA-256");
  }
  constexpr const char* kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 15];
  }
  return hex;
}

std::string sha256_of_file(const std::filesystem::path& file) {
  return sha256_of_text(read_file(file));
}
