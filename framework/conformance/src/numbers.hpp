#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "soma/philox.hpp"

namespace soma::conformance {

/// Numbers of one operand: element e has its own Philox block.
class Numbers {
 public:
  Numbers(std::uint64_t seed, const std::string& path) : stream_(seed, path) {}
  std::uint32_t bits(std::size_t e, int word = 0) const {
    return stream_.block(0, static_cast<std::uint32_t>(e))[static_cast<std::size_t>(word)];
  }
  /// [-1, 1) in steps of 2^-23, made smaller by up to 2^-shrink.
  float symmetric(std::size_t e, int shrink) const {
    const float u =
        static_cast<float>(static_cast<std::int32_t>(bits(e) >> 8) - (1 << 23)) * 0x1p-23f;
    return std::ldexp(u, -static_cast<int>(bits(e, 1) % static_cast<std::uint32_t>(shrink + 1)));
  }
  /// (0, 1)
  double positive(std::size_t e) const { return (bits(e, 2) + 0.5) * 0x1p-32; }
  float integer(std::size_t e) const {
    return static_cast<float>(static_cast<int>(bits(e) % 9) - 4);
  }

 private:
  PhiloxStream stream_;
};

}  // namespace soma::conformance
