#include <cmath>

#include "normalization_bounds.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/group_norm.hpp"
#include "soma/sdk/ops/layer_norm.hpp"

namespace soma::conformance {
namespace {

using Feed = Differentiation::Feed;

/// Variances and deviations are positive; x is what the case's name says.
bool fill(const Case& c, std::size_t input, Fill fill, const Numbers& numbers, Array& array) {
  const NormLayout z(c.op);
  const bool forward = c.op.direction() == "fwd";
  const std::size_t first_statistic = z.scale ? 2 : 1;
  const bool is_mean = !forward && z.centred && input == first_statistic;
  const auto x = array.as<float>();
  const auto named = [&](const char* what) { return c.name.find(what) != std::string::npos; };
  if (forward && z.batch && input == 4) {
    for (std::size_t e = 0; e < x.size(); ++e) {
      x[e] = static_cast<float>(0.01 + numbers.positive(e));
    }
    if (fill == Fill::nonfinite && !x.empty()) x[0] = NAN;
    return true;
  }
  if (!forward && input == first_statistic + (z.centred ? 1 : 0)) {
    for (std::size_t e = 0; e < x.size(); ++e) {
      x[e] = static_cast<float>(0.5 + 1.5 * numbers.positive(e));
    }
    return true;
  }
  // Were these tiny, their products with a tiny gradient would vanish in float32 alone, and 0 times
  // an infinite x is no number.
  if (!forward && fill == Fill::nonfinite && (is_mean || (z.scale && input == 1))) {
    for (std::size_t e = 0; e < x.size(); ++e) {
      x[e] =
          std::copysign(0.5f + 0.5f * std::abs(numbers.symmetric(e, 3)), numbers.symmetric(e, 0));
    }
    if (x.size() > 3) x[x.size() / 2] = INFINITY, x[x.size() - 1] = NAN;
    return true;
  }
  if (fill != Fill::random) return false;
  if (named("mean_1e4") && (input == 0 || is_mean)) {
    for (std::size_t e = 0; e < x.size(); ++e) {
      x[e] = 1e4f + (is_mean ? 0.1f : 1.0f) * numbers.symmetric(e, 3);
    }
    return true;
  }
  if (named("constant") && input == 0) {
    for (std::size_t e = 0; e < x.size(); ++e) {
      x[e] = 0.1f * static_cast<float>(1 + z.group(e) % 7);
    }
    return true;
  }
  return false;
}

constexpr Feed in(int i) { return {Feed::From::input, i}; }
constexpr Feed out(int i) { return {Feed::From::output, i}; }
constexpr Feed cotangent() { return {Feed::From::cotangent, 0}; }

std::optional<Differentiation> differentiate_group_norm(const Op& op) {
  if (op.purpose == Purpose::infer) return std::nullopt;
  return Differentiation{op,
                         0,
                         {{ops::GroupNorm::from(op.attributes).backward(op.in(0)),
                           {in(0), in(1), out(1), out(2), cotangent()},
                           {0, 1, 2}}}};
}

/// Without relu, as contractions are.
std::optional<Differentiation> differentiate_batch_norm(const Op& op) {
  if (op.purpose == Purpose::infer) return std::nullopt;
  auto norm = ops::BatchNorm::from(op.attributes);
  norm.relu = false;
  return Differentiation{
      norm.forward(op.in(0), Purpose::train),
      0,
      {{norm.backward(op.in(0)), {in(0), in(1), out(1), out(2), cotangent()}, {0, 1, 2}}}};
}

std::optional<Differentiation> differentiate_rows(const Op& op) {
  if (op.purpose == Purpose::infer) return std::nullopt;
  const auto norm = ops::RowNorm::from(op);
  Differentiation::Backward backward{norm.backward(op.in(0)), {in(0)}, {0}};
  if (norm.scale) backward.feeds.push_back(in(1));
  for (int i = 1; i < static_cast<int>(op.outputs.size()); ++i) backward.feeds.push_back(out(i));
  backward.feeds.push_back(cotangent());
  for (int i = 1; i < static_cast<int>(backward.op.outputs.size()); ++i) {
    backward.gradients_of.push_back(i);
  }
  return Differentiation{op, 0, {backward}};
}

std::vector<FamilyRules::InPlace> in_place(const Op& op) {
  if (op.direction() == "bwd") return {{{0, static_cast<int>(op.inputs.size()) - 1}}};
  if (op.outputs.size() == 5) return {{{0, 0}}, {{3, 3}, {4, 4}}, {{0, 0}, {3, 3}, {4, 4}}};
  return {{{0, 0}}};
}

/// Samples, but for batch norm in training, which mixes them.
ItemAxes items(const Op& op) {
  const NormLayout z(op);
  if (z.batch && op.purpose == Purpose::train) return {};
  // gamma, beta and their gradients belong to all.
  ItemAxes axes;
  const bool forward = op.direction() == "fwd";
  const int inputs = static_cast<int>(op.inputs.size());
  const int outputs = static_cast<int>(op.outputs.size());
  axes.inputs.emplace_back(0, 0);
  if (forward && z.batch && op.attributes.flag("residual")) axes.inputs.emplace_back(5, 0);
  for (int i = z.scale ? 2 : 1; !forward && i < inputs; ++i) axes.inputs.emplace_back(i, 0);
  for (int i = 0; i < (forward ? outputs : 1); ++i) axes.outputs.emplace_back(i, 0);
  for (const auto& place : axes.outputs) axes.item_outputs.push_back(place.first);
  return axes;
}

}  // namespace

std::span<const FamilyRules> normalization_rules() {
  static constexpr FamilyRules kRules[] = {
      {.family = "batch_norm/1",
       .bound = &bound_normalization,
       .fill = &fill,
       .differentiate = &differentiate_batch_norm,
       .in_place = &in_place,
       .items = &items},
      {.family = "group_norm/1",
       .bound = &bound_normalization,
       .fill = &fill,
       .differentiate = &differentiate_group_norm,
       .in_place = &in_place,
       .items = &items},
      {.family = "layer_norm/1",
       .bound = &bound_normalization,
       .fill = &fill,
       .differentiate = &differentiate_rows,
       .in_place = &in_place,
       .items = &items},
      {.family = "rms_norm/1",
       .bound = &bound_normalization,
       .fill = &fill,
       .differentiate = &differentiate_rows,
       .in_place = &in_place,
       .items = &items},
  };
  return kRules;
}

}  // namespace soma::conformance
