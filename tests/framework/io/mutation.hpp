#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "soma/philox.hpp"

/// How many damaged files of each form a test makes: SOMA_MUTATIONS, 300 by default.
inline int mutations() {
  const char* text = std::getenv("SOMA_MUTATIONS");
  return text == nullptr ? 300 : std::atoi(text);
}

/// The bytes cut off at one of evenly spread places (even numbers), or with one byte there inverted
/// (odd ones); `of` is how many numbers there are.
inline std::string cut_or_flipped(std::string bytes, int number, int of) {
  const std::size_t at =
      bytes.size() * static_cast<std::size_t>(number) / static_cast<std::size_t>(of);
  if (number % 2 == 0) return bytes.substr(0, at);
  bytes[at] = static_cast<char>(~bytes[at]);
  return bytes;
}

/// The bytes with a few changes: bits, bytes that formats care about, pieces cut, doubled or moved.
inline std::string mutated(std::string bytes, std::uint32_t number) {
  const soma::PhiloxStream stream(7, "mutation");
  std::uint32_t next = 0;
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : stream.bits(number, next++) % n; };
  static constexpr char kText[] = "\0\xff\x7f\x80\"',;\n\r\t 0-.e+()[]{}PK";
  constexpr std::string_view kLiked(kText, sizeof kText - 1);
  const std::size_t changes = 1 + below(4);
  for (std::size_t i = 0; i < changes && !bytes.empty(); ++i) {
    const std::size_t at = below(bytes.size()),
                      length = below(std::min<std::size_t>(64, bytes.size() - at)) + 1;
    switch (below(7)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
        break;
      case 1:
        bytes[at] = kLiked[below(kLiked.size())];
        break;
      case 2:
        bytes.insert(at, 1, kLiked[below(kLiked.size())]);
        break;
      case 3:
        bytes.erase(at, length);
        break;
      case 4:
        bytes.insert(at, bytes.substr(below(bytes.size()), length));
        break;
      case 5:
        bytes.resize(at);
        break;
      default:
        for (std::size_t k = at; k < std::min(at + 4, bytes.size()); ++k) bytes[k] = '\xff';
    }
  }
  return bytes;
}

/// The damaged file of that number, of mutations() altogether: a third of them cut or flipped.
inline std::string damaged(const std::string& bytes, int number) {
  if (number % 3 == 0) return cut_or_flipped(bytes, number / 3, (mutations() + 2) / 3);
  return mutated(bytes, static_cast<std::uint32_t>(number));
}
