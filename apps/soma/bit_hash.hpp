#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>

#include "soma/sdk/op.hpp"

/// FNV-1a over the 32-bit words of tensors, every float32 NaN counted as the same one: tensors that
/// are equal in the sense of numerics.md have equal hashes.
class BitHash {
 public:
  void add(std::span<const std::byte> bytes, soma::DType type) {
    const bool floats = type == soma::DType::f32;
    for (std::size_t at = 0; at + 4 <= bytes.size(); at += 4) {
      std::uint32_t word;
      std::memcpy(&word, bytes.data() + at, 4);
      if (floats && (word & 0x7FFFFFFF) > 0x7F800000) word = 0x7FC00000;
      hash_ = (hash_ ^ word) * 1099511628211ull;
    }
  }
  std::string hex() const {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash_));
    return text;
  }

 private:
  std::uint64_t hash_ = 14695981039346656037ull;
};
