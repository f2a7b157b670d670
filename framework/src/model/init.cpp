#include "model/init.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "soma/philox.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma {
namespace {

using Kind = Init::Kind;

/// Name, how many numbers follow in brackets and how many of these may be left out.
struct Named {
  Kind kind;
  const char* name;
  int numbers = 0, optional = 0;
};
constexpr Named kNames[] = {{Kind::automatic, "auto"},
                            {Kind::zeros, "zeros"},
                            {Kind::ones, "ones"},
                            {Kind::constant, "constant", 1},
                            {Kind::normal, "normal", 1},
                            {Kind::uniform, "uniform", 2},
                            {Kind::he_normal, "he_normal"},
                            {Kind::he_uniform, "he_uniform"},
                            {Kind::xavier_normal, "xavier_normal"},
                            {Kind::xavier_uniform, "xavier_uniform"},
                            {Kind::lecun_normal, "lecun_normal"},
                            {Kind::lecun_uniform, "lecun_uniform"},
                            {Kind::orthogonal, "orthogonal", 1, 1},
                            {Kind::identity, "identity"},
                            {Kind::sinusoid, "sinusoid"}};

std::string shortest(double x) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}

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

void draw_identity(std::span<float> to, const Shape& shape) {
  std::ranges::fill(to, 0.0f);
  if (shape.rank() < 2) return;
  std::int64_t middle = 0;  // the middle tap, in row-major order
  for (int axis = 1; axis + 1 < shape.rank(); ++axis) {
    middle = middle * shape[axis] + shape[axis] / 2;
  }
  const std::int64_t unit = shape.elements_from(1), inputs = shape.back();
  for (std::int64_t k = 0; k < std::min(shape[0], inputs); ++k) {
    to[static_cast<std::size_t>(k * unit + middle * inputs + k)] = 1;
  }
}

}  // namespace

std::string name_of(const Init& init) {
  const Named& named = *std::ranges::find(kNames, init.kind, &Named::kind);
  std::string text = named.name;
  if (named.numbers == 0 || (named.optional == 1 && init.a == 1)) return text;
  text += "(" + shortest(init.a);
  if (named.numbers == 2) text += "," + shortest(init.b);
  return text + ")";
}

Init init_from_name(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::string_view name = text.substr(0, open);
  const auto named = std::ranges::find(kNames, name, &Named::name);
  if (named == std::end(kNames)) {
    std::string list;
    for (const Named& n : kNames) list += (list.empty() ? "" : ", ") + std::string(n.name);
    throw ShapeError("init: unknown initialiser '" + std::string(name) + "'; known are " + list);
  }
  Init init{named->kind};
  if (named->kind == Kind::orthogonal) init.a = 1;
  if (open == std::string_view::npos && named->numbers == named->optional) return init;
  const auto fail = [&] {
    throw ShapeError("init: expected " + std::string(name) +
                     (named->numbers == 0   ? ""
                      : named->numbers == 1 ? "(NUMBER)"
                                            : "(LOW,HIGH)") +
                     ", got '" + std::string(text) + "'");
  };
  if (open == std::string_view::npos || named->numbers == 0 || text.back() != ')') fail();
  const char* at = text.data() + open + 1;
  const char* end = text.data() + text.size() - 1;
  double* const numbers[] = {&init.a, &init.b};
  for (int i = 0; i < named->numbers; ++i) {
    if (i > 0 && (at == end || *at++ != ',')) fail();
    const auto [next, error] = std::from_chars(at, end, *numbers[i]);
    if (error != std::errc() || !std::isfinite(*numbers[i])) fail();
    at = next;
  }
  if (at != end || (named->kind == Kind::normal && init.a < 0) ||
      (named->kind == Kind::uniform && init.b < init.a)) {
    fail();
  }
  return init;
}

void draw(std::span<float> to, const Graph::ParameterInfo& parameter, std::uint64_t seed) {
  const PhiloxStream stream(seed, parameter.name);
  const Init& init = parameter.init;
  const double in = static_cast<double>(parameter.fan_in);
  const double both = static_cast<double>(parameter.fan_in + parameter.fan_out);
  const auto between = [&](double low, double high) {
    // Around the middle, so that a symmetric range is [-a, a] times one number.
    const auto middle = static_cast<float>((low + high) / 2);
    const auto half = static_cast<float>((high - low) / 2);
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = (2.0f * stream.uniform(0, static_cast<std::uint32_t>(i)) - 1.0f) * half + middle;
    }
  };
  const auto uniform = [&](double limit) { between(-limit, limit); };
  const auto gaussian = [&](double deviation) {
    const auto s = static_cast<float>(deviation);
    for (std::size_t i = 0; i < to.size(); ++i)
      to[i] = normal(stream, static_cast<std::uint32_t>(i)) * s;
  };
  switch (init.kind) {
    case Kind::automatic:
    case Kind::zeros:
      std::ranges::fill(to, 0.0f);
      return;
    case Kind::ones:
      std::ranges::fill(to, 1.0f);
      return;
    case Kind::constant:
      std::ranges::fill(to, static_cast<float>(init.a));
      return;
    case Kind::normal:
      return gaussian(init.a);
    case Kind::uniform:
      return between(init.a, init.b);
    case Kind::he_normal:
      return gaussian(std::sqrt(2 / in));
    case Kind::he_uniform:
      return uniform(std::sqrt(6 / in));
    case Kind::xavier_normal:
      return gaussian(std::sqrt(2 / both));
    case Kind::xavier_uniform:
      return uniform(std::sqrt(6 / both));
    case Kind::lecun_normal:
      return gaussian(std::sqrt(1 / in));
    case Kind::lecun_uniform:
      return uniform(std::sqrt(3 / in));
    case Kind::orthogonal:
      gaussian(1);
      return make_orthogonal(to, parameter.shape[0], parameter.shape.elements_from(1), init.a);
    case Kind::identity:
      return draw_identity(to, parameter.shape);
    case Kind::sinusoid:
      return sinusoid(to, std::max<std::int64_t>(1, parameter.fan_out));
  }
}

}  // namespace soma
