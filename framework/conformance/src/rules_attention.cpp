#include <cfloat>
#include <cmath>
#include <limits>

#include "attention_bounds.hpp"
#include "family.hpp"

namespace soma::conformance {
namespace {

using ops::Attention;

/// About two keys of three; the last of several items sees none. The mask does not depend on the
/// fill, so that probabilities can be made for it.
void fill_key_mask(const Case& c, std::span<std::int32_t> mask) {
  const Attention::Layout l = Attention::layout(c.op);
  const Numbers numbers(1, c.id() + ".key_mask");
  for (std::int64_t b = 0; b < l.batch; ++b) {
    for (std::int64_t j = 0; j < l.keys; ++j) {
      const auto at = static_cast<std::size_t>(b * l.keys + j);
      constexpr std::int32_t kValues[] = {0, 1, -1, 7, 0, 1};
      mask[at] = b > 0 && b + 1 == l.batch ? 0 : kValues[numbers.bits(at) % 6];
    }
  }
}

/// Positive rows that sum to about 1 over the visible keys, +0 for hidden ones; NaN, Inf and 0 or
/// FLT_MAX only at visible pairs.
void fill_probabilities(const Case& c, Fill fill, const Numbers& numbers, std::span<float> p) {
  Operands masks;
  if (c.op.attributes.flag("key_mask")) {
    Array& mask = masks.inputs.emplace_back(c.op.inputs.back());
    fill_key_mask(c, mask.as<std::int32_t>());
  }
  const AttentionHeads heads(c.op, masks);
  const auto& l = heads.l;
  std::size_t planted = 0;
  for (std::size_t start = 0; start < p.size(); start += static_cast<std::size_t>(l.keys)) {
    const auto row = static_cast<std::int64_t>(start) / l.keys;
    const std::int64_t b = row / l.queries / l.heads, i = row % l.queries;
    double sum = 0;
    std::vector<double> weights(static_cast<std::size_t>(l.keys));
    for (std::int64_t j = 0; j < l.keys; ++j) {
      if (!heads.visible(b, i, j)) continue;
      const auto at = static_cast<std::size_t>(j);
      sum += weights[at] = std::exp(6 * numbers.positive(start + at));
    }
    for (std::int64_t j = 0; j < l.keys; ++j) {
      const auto at = start + static_cast<std::size_t>(j);
      p[at] = sum > 0 ? static_cast<float>(weights[static_cast<std::size_t>(j)] / sum) : 0.0f;
      if (p[at] == 0 || row % 3 != 1 || numbers.bits(at, 3) % 4 != 0) continue;
      constexpr float kNonfinite[] = {std::numeric_limits<float>::quiet_NaN(),
                                      std::numeric_limits<float>::infinity(), 0.0f};
      if (fill == Fill::nonfinite && planted < 3) p[at] = kNonfinite[planted++];
      if (fill == Fill::huge && planted < 2) p[at] = planted++ == 0 ? FLT_MAX : 0.0f;
    }
  }
}

/// Scores of 1e4 come from q and k around 100. Nothing is planted into v then: whether 0 * Inf or
/// tiny * Inf would be met depends on where a probability underflows.
bool fill_wide(std::size_t input, Fill fill, const Numbers& numbers, std::span<float> x) {
  if (fill != Fill::random && (input != 2 || fill == Fill::integers)) return false;
  for (std::size_t e = 0; e < x.size(); ++e) {
    x[e] = (input == 2 ? 1.0f : 100.0f) * numbers.symmetric(e, 3);
  }
  return true;
}

bool fill(const Case& c, std::size_t input, Fill how, const Numbers& numbers, Array& array) {
  const Attention::Layout l = Attention::layout(c.op);
  if (static_cast<int>(input) == l.key_mask) {
    fill_key_mask(c, array.as<std::int32_t>());
    return true;
  }
  if (c.op.id == Attention::kBackward && static_cast<int>(input) == l.probabilities) {
    fill_probabilities(c, how, numbers, array.as<float>());
    return true;
  }
  return c.spread == Spread::wide && fill_wide(input, how, numbers, array.as<float>());
}

std::optional<Differentiation> differentiate(const Op& op) {
  if (op.purpose != Purpose::train) return std::nullopt;
  using Feed = Differentiation::Feed;
  const Attention attention = Attention::from(op.attributes);
  Differentiation d{op, 0, {}};
  const Feed p{Feed::From::output, 1}, grad_y{Feed::From::cotangent, 0};
  const auto x = [](int i) { return Feed{Feed::From::input, i}; };
  if (attention.packed) {
    d.backward.push_back({attention.backward(op.in(0)), {x(0), p, grad_y}, {0}});
  } else {
    d.backward.push_back({attention.backward(op.in(0), op.in(1), op.in(2)),
                          {x(0), x(1), x(2), p, grad_y},
                          {0, 1, 2}});
  }
  if (attention.key_mask) d.backward[0].feeds.push_back(x(attention.packed ? 1 : 3));
  return d;
}

ItemAxes items(const Op& op) {
  ItemAxes axes;
  for (int i = 0; i < static_cast<int>(op.inputs.size()); ++i) axes.inputs.emplace_back(i, 0);
  for (int i = 0; i < static_cast<int>(op.outputs.size()); ++i) {
    axes.outputs.emplace_back(i, 0);
    axes.item_outputs.push_back(i);
  }
  return axes;
}

/// A key that is seen alone has the probability 1, whatever its score, and without values
/// nothing flows back at all.
bool mostly_zero(const Case& c) {
  const Attention::Layout l = Attention::layout(c.op);
  return l.keys <= 3 || l.value_width == 0;
}

}  // namespace

std::span<const FamilyRules> attention_rules() {
  static const FamilyRules kRules[] = {{.family = "attention/1",
                                        .bound = &bound_attention,
                                        .fill = &fill,
                                        .differentiate = &differentiate,
                                        .in_place = nullptr,
                                        .items = &items,
                                        .refused = nullptr,
                                        .mostly_zero = &mostly_zero,
                                        .exact_on_integers = nullptr}};
  return kRules;
}

}  // namespace soma::conformance
