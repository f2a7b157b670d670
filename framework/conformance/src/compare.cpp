#include "soma/conformance/compare.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>

namespace soma::conformance {
namespace {

std::string show(const Array& array, std::size_t i) {
  char text[64];
  if (array.info.dtype == DType::i32) {
    std::snprintf(text, sizeof text, "%d", array.as<std::int32_t>()[i]);
  } else if (array.info.dtype == DType::f64) {
    std::snprintf(text, sizeof text, "%.17g", array.as<double>()[i]);
  } else {
    const float x = array.as<float>()[i];
    std::snprintf(text, sizeof text, "%.9g (0x%08x)", static_cast<double>(x),
                  std::bit_cast<std::uint32_t>(x));
  }
  return text;
}

bool same_element(const Array& a, const Array& b, std::size_t i) {
  switch (a.info.dtype) {
    case DType::f32:
      return same_bits(a.as<float>()[i], b.as<float>()[i]);
    case DType::f64: {
      const double x = a.as<double>()[i], y = b.as<double>()[i];
      return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y) ||
             (std::isnan(x) && std::isnan(y));
    }
    case DType::i32:
      return a.as<std::int32_t>()[i] == b.as<std::int32_t>()[i];
  }
  return false;
}

/// The float line as integers: neighbours differ by one, both zeros are 0.
std::int64_t place(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::int64_t size = bits & 0x7FFFFFFFu;
  return (bits >> 31) != 0 ? -size : size;
}

}  // namespace

Class class_of(float value) noexcept {
  if (std::isnan(value)) return Class::nan;
  if (std::isinf(value)) return value > 0 ? Class::positive_infinity : Class::negative_infinity;
  return value == 0 ? Class::zero : Class::finite;
}

const char* name_of(Class c) noexcept {
  constexpr const char* kNames[] = {"NaN", "+Inf", "-Inf", "zero", "finite"};
  return kNames[static_cast<int>(c)];
}

bool same_bits(float a, float b) noexcept {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

std::uint32_t ulp_distance(float a, float b) noexcept {
  const std::int64_t distance = place(a) - place(b);
  return static_cast<std::uint32_t>(distance < 0 ? -distance : distance);
}

std::optional<std::string> first_difference(const std::vector<Array>& got,
                                            const std::vector<Array>& expected) {
  std::string first;
  std::size_t count = 0, total = 0;
  std::uint32_t worst = 0;
  for (std::size_t o = 0; o < expected.size(); ++o) {
    total += expected[o].elements();
    for (std::size_t i = 0; i < expected[o].elements(); ++i) {
      if (same_element(got[o], expected[o], i)) continue;
      if (count++ == 0) {
        first = "output " + std::to_string(o) + " element " + std::to_string(i) + " of " +
                expected[o].info.shape.str() + ": expected " + show(expected[o], i) + ", got " +
                show(got[o], i);
      }
      if (expected[o].info.dtype != DType::f32) continue;
      const float x = got[o].as<float>()[i], y = expected[o].as<float>()[i];
      if (!std::isnan(x) && !std::isnan(y)) worst = std::max(worst, ulp_distance(x, y));
    }
  }
  if (count == 0) return std::nullopt;
  return first + "; " + std::to_string(count) + " of " + std::to_string(total) +
         " elements differ, by up to " + std::to_string(worst) + " ulp";
}

std::uint64_t hash_of(const std::vector<Array>& arrays, std::uint64_t start) {
  std::uint64_t hash = start;
  const auto mix = [&hash](std::uint32_t word) { hash = (hash ^ word) * 1099511628211ull; };
  for (const Array& array : arrays) {
    if (array.info.dtype == DType::f32) {
      for (const float x : array.as<float>()) {
        mix(std::isnan(x) ? 0x7FC00000u : std::bit_cast<std::uint32_t>(x));
      }
    } else {
      for (const std::byte b : array.bytes) mix(static_cast<std::uint32_t>(b));
    }
  }
  return hash;
}

}  // namespace soma::conformance
