#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "soma/conformance/data.hpp"

namespace soma::conformance {

/// The kind of a float32 value; two results of one op must agree in it.
enum class Class { nan, positive_infinity, negative_infinity, zero, finite };
Class class_of(float value) noexcept;
const char* name_of(Class c) noexcept;

/// True if both are NaN or have the same bits.
bool same_bits(float a, float b) noexcept;

/// Distance in units in the last place along the float32 number line, -0 and +0 being neighbours of
/// distance 0. Neither may be a NaN.
std::uint32_t ulp_distance(float a, float b) noexcept;

/// One sentence about the first difference in bits and how many there are; nothing if all outputs
/// have the same bits (any NaN equals any NaN).
std::optional<std::string> first_difference(const std::vector<Array>& got,
                                            const std::vector<Array>& expected);

/// FNV-1a over the bits of all elements, every NaN counted as the same one.
std::uint64_t hash_of(const std::vector<Array>& arrays,
                      std::uint64_t start = 14695981039346656037ull);

}  // namespace soma::conformance
