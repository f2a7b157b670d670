#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "soma/sdk/philox.hpp"

namespace soma {

/// A stream of random numbers, addressed by step and element.
/// Key = seed; counter = (element, step, low and high half of the stream id).
class PhiloxStream {
 public:
  constexpr PhiloxStream(std::uint64_t seed, std::string_view path) noexcept
      : seed_(seed), stream_(stream_id(path)) {}

  constexpr std::uint32_t bits(std::uint32_t step, std::uint32_t element) const noexcept {
    return block(step, element)[0];
  }
  constexpr std::array<std::uint32_t, 4> block(std::uint32_t step,
                                               std::uint32_t element) const noexcept {
    return philox4x32({element, step, static_cast<std::uint32_t>(stream_),
                       static_cast<std::uint32_t>(stream_ >> 32)},
                      {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
  }
  /// Uniform in [0, 1): the upper 24 bits times 2^-24.
  constexpr float uniform(std::uint32_t step, std::uint32_t element) const noexcept {
    return static_cast<float>(bits(step, element) >> 8) * 0x1p-24f;
  }

 private:
  std::uint64_t seed_, stream_;
};

}  // namespace soma
