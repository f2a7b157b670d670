#include "io/sha256.hpp"

#include <openssl/evp.h>

#include <array>
#include <bit>
#include <cstdint>

#include "soma/error.hpp"

namespace soma::io {

namespace {

void check(int ok) {
  if (ok != 1) throw Error("SHA-256: OpenSSL's libcrypto refused to compute it");
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  check(context_ != nullptr);
  check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::update(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

void Sha256::update(std::int64_t value) {
  static_assert(std::endian::native == std::endian::little);
  update(std::as_bytes(std::span(&value, 1)));
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  check(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace soma::io
