#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace soma {

/// Philox4x32-10, a counter-based generator: the numbers depend on key and counter only, never on
/// call or thread order. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
/// 2011.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < 10; ++round) {
    if (round > 0) {
      key[0] += 0x9E3779B9u;
      key[1] += 0xBB67AE85u;
    }
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
  }
  return counter;
}

/// 64-bit FNV-1a of a path such as "conv1.weight": the id of that path's own stream of random
/// numbers.
constexpr std::uint64_t stream_id(std::string_view path) noexcept {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

}  // namespace soma
