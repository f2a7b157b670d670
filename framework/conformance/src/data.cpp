#include "soma/conformance/data.hpp"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <numeric>

#include "family.hpp"
#include "numbers.hpp"
#include "soma/philox.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/optimizer.hpp"
#include "soma/sdk/ops/pool2d.hpp"

namespace soma::conformance {
namespace {

enum class Role {
  value,
  activation_input,
  logits,
  probabilities,
  targets,
  argmax,
  second_moment,
  first_moment,
  sgd_scalars,
  adam_scalars,
  grad_loss
};

Role role_of(const Op& op, std::size_t i) {
  const std::string_view id = op.id;
  if (i == 0 && ops::is_activation_family(op.family()) && op.family() != "relu/1") {
    return Role::activation_input;
  }
  if (id == "softmax/1.fwd") return Role::logits;
  if (id == "softmax/1.bwd" && i == 0) return Role::probabilities;
  if (id == "softmax_cross_entropy/1.fwd") return i == 0 ? Role::logits : Role::targets;
  if (id == "softmax_cross_entropy/1.bwd") {
    return i == 0 ? Role::probabilities : i == 1 ? Role::targets : Role::grad_loss;
  }
  if (id == "mean_squared_error/1.bwd" && i == 2) return Role::grad_loss;
  if (id == "max_pool2d/1.bwd" && i == 1) return Role::argmax;
  if (id == "sgd/1.step" && i == 2) return Role::sgd_scalars;
  if (id == "adam/1.step") {
    if (i == 2) return Role::adam_scalars;
    if (i == 3) return Role::first_moment;
    if (i == 4) return Role::second_moment;
  }
  return Role::value;
}

/// Writes special values to the first, last and tail positions, around vector and block edges and
/// into the middle; never to more than a third of the elements (but to one).
void plant(std::span<float> x, std::span<const float> specials, std::uint32_t rotation) {
  const std::size_t n = x.size();
  if (n == 0) return;
  std::vector<std::size_t> places;
  for (const std::size_t place : {std::size_t{0}, n - 1, n / 2, n - 2, std::size_t{7},
                                  std::size_t{16}, n - 3, n / 3, std::size_t{511}}) {
    if (place < n && std::ranges::find(places, place) == places.end()) places.push_back(place);
  }
  places.resize(std::min({places.size(), specials.size(), std::max<std::size_t>(1, n / 3)}));
  for (std::size_t i = 0; i < places.size(); ++i) {
    x[places[i]] = specials[(i + rotation) % specials.size()];
  }
}

void fill_probabilities(std::span<float> p, std::size_t classes, const Numbers& numbers) {
  if (classes == 0) return;
  std::vector<double> row(classes);
  for (std::size_t start = 0; start < p.size(); start += classes) {
    for (std::size_t c = 0; c < classes; ++c) row[c] = std::exp(6 * numbers.positive(start + c));
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    for (std::size_t c = 0; c < classes; ++c) p[start + c] = static_cast<float>(row[c] / sum);
  }
}

/// For each window one of its taps inside the image.
void fill_argmax(const Op& op, std::span<std::int32_t> argmax, const Numbers& numbers) {
  const ops::Pool2d pool = ops::Pool2d::from(op.attributes);
  const Shape& image = op.out(0);
  const Shape& grid = op.in(1);
  const std::int64_t channels = grid[3];
  const auto pick = [](std::int64_t at, std::int64_t kernel, std::int64_t extent,
                       std::uint32_t bits) {
    const std::int64_t low = std::max<std::int64_t>(0, at);
    const std::int64_t high = std::min(extent, at + kernel);
    return low + bits % (high - low);
  };
  for (std::size_t e = 0; e < argmax.size(); ++e) {
    const std::int64_t pixel = static_cast<std::int64_t>(e) / channels;
    const std::int64_t q = pixel % grid[2], p = pixel / grid[2] % grid[1];
    const auto& w = pool.window;
    const std::int64_t h =
        pick(p * w.stride_h - w.pad_top, pool.kernel_h, image[1], numbers.bits(e, 0));
    const std::int64_t col =
        pick(q * w.stride_w - w.pad_left, pool.kernel_w, image[2], numbers.bits(e, 1));
    argmax[e] = static_cast<std::int32_t>(h * image[2] + col);
  }
}

/// Where the slope of an activation jumps.
std::vector<float> kinks_of(const Op& op) {
  const Attributes& a = op.attributes;
  const std::string_view family = op.family();
  if (family == "hard_swish/1") return {-3, 3};
  if (family == "hard_sigmoid/1") {
    const auto alpha = static_cast<float>(a.real("alpha", 0.2));
    const auto beta = static_cast<float>(a.real("beta", 0.5));
    return {-beta / alpha, (1 - beta) / alpha};
  }
  if (family == "clip/1") {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    const double low = a.real("low", -kInf), high = a.real("high", kInf);
    return {static_cast<float>(std::isfinite(low) ? low : high),
            static_cast<float>(std::isfinite(high) ? high : low)};
  }
  if (family == "relu/1" || family == "leaky_relu/1" || family == "elu/1" || family == "selu/1" ||
      family == "abs/1" || family == "step/1") {
    return {0};
  }
  return {};
}

float scale_of(Spread spread) {
  if (spread == Spread::wide) return 1000;
  return spread == Spread::tiny ? 1e-20f : 1;
}

void fill_floats(const Case& c, Role role, Fill fill, std::span<float> x, const Numbers& numbers) {
  const float scale = scale_of(c.spread);
  const float shift = c.spread == Spread::offset ? 0.25f : 0.0f;
  for (std::size_t e = 0; e < x.size(); ++e) {
    switch (role) {
      case Role::activation_input:
        x[e] = 16.0f * scale * numbers.symmetric(e, 7);
        break;
      case Role::logits:
        x[e] = 8.0f * scale * numbers.symmetric(e, 3);
        break;
      case Role::second_moment:  // zero at every fifth element, as at the first step
        x[e] = e % 5 == 4 ? 0.0f : static_cast<float>(numbers.positive(e) * 0.25);
        break;
      case Role::first_moment:
        x[e] = e % 5 == 4 ? 0.0f : numbers.symmetric(e, 3);
        break;
      default:
        x[e] = scale * numbers.symmetric(e, 3) + shift;
    }
    if (fill == Fill::integers) x[e] = numbers.integer(e);
    if (fill == Fill::integers && role == Role::second_moment) x[e] = std::abs(x[e]);
  }
}

/// Every seventh input of an activation lies where its slope jumps.
void plant_kinks(const Op& op, std::span<float> x) {
  const std::vector<float> kinks = kinks_of(op);
  if (kinks.empty()) return;
  for (std::size_t e = 3; e < x.size(); e += 7) x[e] = kinks[e / 7 % kinks.size()];
}

void plant_specials(Role role, Fill fill, std::span<float> x, std::uint32_t rotation) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kNonfinite[] = {kNan, kInf, -0.0f, 1e-40f, -kInf, 0.0f, -1e-40f};
  constexpr float kHuge[] = {FLT_MAX, -0.0f, -FLT_MAX, 1e-40f, 0.0f, -1e-40f, FLT_MAX};
  if (fill != Fill::nonfinite && fill != Fill::huge) return;
  plant(x, fill == Fill::nonfinite ? std::span<const float>(kNonfinite) : kHuge, rotation);
  if (role == Role::second_moment || role == Role::probabilities) {
    for (float& value : x) value = std::abs(value);  // the sign of a NaN does not count
  }
}

void fill_operand(const Case& c, std::size_t i, Fill fill, const Numbers& numbers, Array& array) {
  const FamilyRules* rules = rules_of(c.op);
  if (rules != nullptr && rules->fill != nullptr && rules->fill(c, i, fill, numbers, array)) return;
  const Role role = role_of(c.op, i);
  const Attributes& attributes = c.op.attributes;
  switch (role) {
    case Role::targets:
      for (std::size_t e = 0; auto& t : array.as<std::int32_t>()) {
        t = static_cast<std::int32_t>(numbers.bits(e++) % c.op.in(0)[1]);
      }
      return;
    case Role::argmax:
      return fill_argmax(c.op, array.as<std::int32_t>(), numbers);
    case Role::sgd_scalars:
      array.as<float>()[0] = 0.05f;
      return;
    case Role::adam_scalars: {  // learning rate 0.01, third step
      const ops::Adam adam = ops::Adam::from(attributes);
      array.as<float>()[0] = static_cast<float>(0.01 / (1 - std::pow(adam.beta1, 3)));
      array.as<float>()[1] = static_cast<float>(1 / (1 - std::pow(adam.beta2, 3)));
      return;
    }
    case Role::grad_loss:
      array.as<float>()[0] = fill == Fill::integers ? 3.0f : 0.7f;
      return;
    case Role::probabilities:
      fill_probabilities(array.as<float>(), static_cast<std::size_t>(array.info.shape.back()),
                         numbers);
      break;
    default:
      fill_floats(c, role, fill, array.as<float>(), numbers);
      if (i == 0 && fill == Fill::random) plant_kinks(c.op, array.as<float>());
  }
  plant_specials(role, fill, array.as<float>(), numbers.bits(0, 3));
}

}  // namespace

const char* name_of(Fill fill) noexcept {
  constexpr const char* kNames[] = {"random", "integers", "nonfinite", "huge"};
  return kNames[static_cast<int>(fill)];
}

Operands make_operands(const Case& c, Fill fill, std::uint64_t seed) {
  Operands operands;
  const std::string path = c.id() + "." + name_of(fill) + ".";
  for (std::size_t i = 0; i < c.op.inputs.size(); ++i) {
    Array& array = operands.inputs.emplace_back(c.op.inputs[i]);
    fill_operand(c, i, fill, Numbers(seed, path + "input" + std::to_string(i)), array);
  }
  for (std::size_t i = 0; i < c.op.outputs.size(); ++i) {
    Array& array = operands.old_outputs.emplace_back(c.op.outputs[i]);
    if (array.info.dtype != DType::f32) continue;
    const Numbers numbers(seed, path + "old" + std::to_string(i));
    for (std::size_t e = 0; float& value : array.as<float>()) {
      value = fill == Fill::integers ? numbers.integer(e) : numbers.symmetric(e, 3);
      ++e;
    }
  }
  return operands;
}

Array separated_values(const Shape& shape, std::uint64_t seed, std::string_view stream) {
  Array array({DType::f64, shape});
  const PhiloxStream numbers(seed, stream);
  const auto values = array.as<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = 0.01 * (static_cast<double>(i) - static_cast<double>(values.size() / 2)) + 0.005;
  }
  for (std::size_t i = values.size(); i > 1; --i) {  // Fisher and Yates
    std::swap(values[i - 1], values[numbers.bits(0, static_cast<std::uint32_t>(i)) % i]);
  }
  return array;
}

Array uniform_values(const Shape& shape, std::uint64_t seed, std::string_view stream) {
  Array array({DType::f64, shape});
  const PhiloxStream numbers(seed, stream);
  for (std::uint32_t e = 0; double& value : array.as<double>()) {
    value = 2.0 * static_cast<double>(numbers.uniform(0, e++)) - 1.0;
  }
  return array;
}

Array as_f64(const Array& from) {
  if (from.info.dtype != DType::f32) return from;
  Array to({DType::f64, from.info.shape});
  std::ranges::copy(from.as<float>(), to.as<double>().begin());
  return to;
}

Array as_f32(const Array& from) {
  if (from.info.dtype != DType::f64) return from;
  Array to({DType::f32, from.info.shape});
  std::ranges::transform(from.as<double>(), to.as<float>().begin(),
                         [](double x) { return static_cast<float>(x); });
  return to;
}

Array absolute(const Array& from) {
  Array to = from;
  if (from.info.dtype == DType::f32) {
    for (float& x : to.as<float>()) x = std::abs(x);
  } else if (from.info.dtype == DType::f64) {
    for (double& x : to.as<double>()) x = std::abs(x);
  }
  return to;
}

}  // namespace soma::conformance
