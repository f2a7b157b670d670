#include "model/init.hpp"

#include <array>
#include <cmath>

#include "soma/philox.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma {
namespace {

constexpr std::pair<Init, const char*> kNames[] = {{Init::automatic, "auto"},
                                                   {Init::zeros, "zeros"},
                                                   {Init::ones, "ones"},
                                                   {Init::he_normal, "he_normal"},
                                                   {Init::he_uniform, "he_uniform"},
                                                   {Init::xavier_normal, "xavier_normal"},
                                                   {Init::xavier_uniform, "xavier_uniform"},
                                                   {Init::sinusoid, "sinusoid"}};

/// One standard normal number per element, by Box & Muller (1958) with the canonical functions.
float normal(const PhiloxStream& stream, std::uint32_t element) {
  const auto block = stream.block(0, element);
  const float u = (static_cast<float>(block[0] >> 8) + 1.0f) * 0x1p-24f;  // (0, 1]
  const float v = static_cast<float>(block[1] >> 8) * 0x1p-24f;           // [0, 1)
  constexpr float kTwoPi = 6.28318530717958647692f;
  return std::sqrt(-2.0f * math::log(u)) * math::cos(kTwoPi * v);
}

/// Sines and cosines of falling frequency, with the canonical functions.
void sinusoid(std::span<float> to, std::int64_t width) {
  constexpr float kLog10000 = 9.21034037197618273607f;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i) / width;
    const auto column = static_cast<std::int64_t>(i) % width;
    const float exponent = static_cast<float>(column / 2 * 2) / static_cast<float>(width);
    const float angle = static_cast<float>(row) * math::exp(-exponent * kLog10000);
    to[i] = column % 2 == 0 ? math::sin(angle) : math::cos(angle);
  }
}

}  // namespace

const char* name_of(Init init) noexcept {
  for (const auto& [value, name] : kNames) {
    if (value == init) return name;
  }
  return "auto";
}

Init init_from_name(std::string_view name) {
  std::string list;
  for (const auto& [value, text] : kNames) {
    if (text == name) return value;
    list += (list.empty() ? "" : ", ") + std::string(text);
  }
  throw ShapeError("init: unknown initialiser '" + std::string(name) + "'; known are " + list);
}

void draw(std::span<float> to, Init init, std::int64_t fan_in, std::int64_t fan_out,
          std::uint64_t seed, std::string_view path) {
  const PhiloxStream stream(seed, path);
  const double in = static_cast<double>(fan_in), both = static_cast<double>(fan_in + fan_out);
  const auto uniform = [&](double limit) {
    const auto a = static_cast<float>(limit);
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = (2.0f * stream.uniform(0, static_cast<std::uint32_t>(i)) - 1.0f) * a;
    }
  };
  const auto gaussian = [&](double deviation) {
    const auto s = static_cast<float>(deviation);
    for (std::size_t i = 0; i < to.size(); ++i)
      to[i] = normal(stream, static_cast<std::uint32_t>(i)) * s;
  };
  switch (init) {
    case Init::automatic:
    case Init::zeros:
      std::ranges::fill(to, 0.0f);
      return;
    case Init::ones:
      std::ranges::fill(to, 1.0f);
      return;
    case Init::he_normal:
      return gaussian(std::sqrt(2 / in));
    case Init::he_uniform:
      return uniform(std::sqrt(6 / in));
    case Init::xavier_normal:
      return gaussian(std::sqrt(2 / both));
    case Init::xavier_uniform:
      return uniform(std::sqrt(6 / both));
    case Init::sinusoid:
      return sinusoid(to, std::max<std::int64_t>(1, fan_out));
  }
}

}  // namespace soma
