#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace soma::conformance {

/// Lengths around the widths of vectors.
inline constexpr std::array<std::int64_t, 16> kLengths = {0,  1,  2,  3,  7,  8,  9,   15,
                                                          16, 17, 31, 33, 63, 65, 127, 1000};
inline constexpr std::size_t kLongRange = 20011;

inline constexpr std::array kSpecialInputs = {0.0f,
                                              -0.0f,
                                              1e-40f,
                                              -1e-40f,
                                              std::numeric_limits<float>::infinity(),
                                              -std::numeric_limits<float>::infinity(),
                                              std::numeric_limits<float>::quiet_NaN(),
                                              std::numeric_limits<float>::max(),
                                              std::numeric_limits<float>::lowest(),
                                              16.0f,
                                              -16.0f,
                                              88.7f,
                                              -88.7f,
                                              104.0f,
                                              -104.0f};

/// Numbers as they come in a network: most within [-4, 4], some as far as 30.
std::vector<float> ordinary_inputs(std::size_t count, std::uint64_t seed);

/// Points for difference quotients: random ones within [-12, 12] and whole and half numbers, where
/// kinks like to be.
std::vector<double> smooth_inputs(std::uint64_t seed);

/// Calls `visit` with blocks of inputs until it returns false: every exponent with a few mantissas,
/// infinities, NaN and ordinary numbers; with `full` all 2^32 float32.
void for_each_block(bool full, std::uint64_t seed,
                    const std::function<bool(const std::vector<float>&)>& visit);

}  // namespace soma::conformance
