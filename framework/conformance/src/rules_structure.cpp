#include "rules_structure.hpp"

#include <algorithm>
#include <bit>

#include "soma/sdk/ops/arrangement.hpp"
#include "soma/sdk/ops/dropout.hpp"
#include "soma/sdk/ops/embedding.hpp"
#include "soma/sdk/ops/gaussian_sample.hpp"
#include "soma/sdk/ops/upsample2d.hpp"

namespace soma::conformance {
namespace {

// Bounds.

/// Forward: three interpolations, each of two roundings and weights rounded once. Backward: a sum
/// of at most (2 scale)^2 products with weights of three roundings.
void bound_upsample(const Oracle& oracle, const Op& op, const Operands& operands, Fill fill,
                    std::vector<Expected>& result) {
  const auto up = ops::Upsample2d::from(op.attributes);
  if (is_forward(op) && !up.bilinear) return;  // a copy
  Expected& e = result[0];
  e.magnitude = doubles(oracle.evaluate(op, absolute(operands))[0]);
  const double taps =
      is_forward(op) ? 4 : static_cast<double>(up.scale_h * up.scale_w) * (up.bilinear ? 4 : 1);
  for (std::size_t i = 0; i < e.limit.size(); ++i) {
    const bool exact = fill == Fill::integers && !up.bilinear;
    e.limit[i] = exact ? 0 : gamma_n(taps + 4) * e.magnitude[i] + (taps + 4) * kTiny;
  }
}

void bound_embedding(const Oracle& oracle, const Op& op, const Operands& operands, Fill fill,
                     std::vector<Expected>& result) {
  if (is_forward(op)) return;  // a copy
  Expected& e = result[0];
  e.magnitude = doubles(oracle.evaluate(op, absolute(operands))[0]);
  std::vector<double> uses(static_cast<std::size_t>(op.out(0)[0]), 0);
  for (const std::int32_t id : operands.inputs[1].as<std::int32_t>()) {
    ++uses[static_cast<std::size_t>(id)];
  }
  const auto width = static_cast<std::size_t>(op.out(0)[1]);
  for (std::size_t i = 0; i < e.limit.size(); ++i) {
    e.limit[i] = contraction_limit(uses[i / width], 0, e.magnitude[i], fill);
  }
}

/// The factor and the product are rounded.
void bound_dropout(const Oracle&, const Op&, const Operands&, Fill, std::vector<Expected>& result) {
  for (std::size_t i = 0; i < result[0].limit.size(); ++i) {
    result[0].limit[i] = gamma_n(2) * std::abs(result[0].value[i]) + kTiny;
  }
}

/// Of the normal numbers: at most 5.8 = sqrt(-2 log 2^-24) long, times a cosine. The length errs by
/// three roundings' worth, the angle, at most 2 pi, by one, the cosine by an ulp, the product by
/// one rounding. Then one product or fma.
void bound_gaussian_sample(const Oracle&, const Op& op, const Operands& operands, Fill,
                           std::vector<Expected>& result) {
  const double of_normal = 5.8 * gamma_n(6.3 + 3 + 2 + 1);
  const auto factor = operands.inputs[is_forward(op) ? 1 : 0].as<float>();
  Expected& e = result[0];
  for (std::size_t i = 0; i < e.limit.size(); ++i) {
    e.limit[i] =
        of_normal * std::abs(double{factor[i]}) + gamma_n(1) * std::abs(e.value[i]) + kTiny;
  }
}

// Operands with a meaning.

bool fill_ids(const Case& c, std::size_t i, Fill, const Numbers& numbers, Array& array) {
  if (i != 1) return false;
  const Shape& table = is_forward(c.op) ? c.op.in(0) : c.op.out(0);
  for (std::size_t e = 0; std::int32_t & id : array.as<std::int32_t>()) {
    id = static_cast<std::int32_t>(numbers.bits(e++) % static_cast<std::uint32_t>(table[0]));
  }
  return true;
}

bool fill_whole_numbers(const Case&, std::size_t, Fill, const Numbers& numbers, Array& array) {
  for (std::size_t e = 0; float& x : array.as<float>()) {
    // Many sizes; below 2^24, so that float32 holds every one.
    x = static_cast<float>(numbers.bits(e) >> (8 + numbers.bits(e, 1) % 24));
    if (e++ % 7 == 3) x = -0.0f;
  }
  return true;
}

/// The last input is what the generator is set to.
bool fill_random(const Case& c, std::size_t i, Fill, const Numbers& numbers, Array& array) {
  if (i + 1 != c.op.inputs.size()) return false;
  for (std::size_t e = 0; std::int32_t & word : array.as<std::int32_t>()) {
    word = static_cast<std::int32_t>(numbers.bits(e++));
  }
  array.as<std::int32_t>()[3] = 0;
  return true;
}

std::vector<BadOperand> bad_ids(const Op& op) {
  const std::int64_t count = op.in(1).elements();
  if (count == 0) return {};
  const std::int64_t rows = (is_forward(op) ? op.in(0) : op.out(0))[0];
  std::vector<BadOperand> list;
  for (const std::int32_t wrong : {static_cast<std::int32_t>(rows), -1, INT32_MAX, INT32_MIN}) {
    list.push_back({1, static_cast<std::size_t>(count / 2), wrong});
  }
  return list;
}

std::vector<BadOperand> bad_numbers(const Op& op) {
  const auto count = static_cast<std::size_t>(op.in(0).elements());
  if (count == 0) return {};
  std::vector<BadOperand> list;
  for (const float wrong : {0.5f, -1.0f, 2147483648.0f, 1e-40f, INFINITY, -INFINITY, NAN}) {
    list.push_back({0, count - 1, std::bit_cast<std::int32_t>(wrong)});
  }
  return list;
}

// Gradients.

std::optional<Differentiation> of_concat(const Op& op) {
  Differentiation d{op, 0, {}};
  ops::Slice slice{.axis = ops::Concat::from(op.attributes).axis};
  for (std::size_t i = 0; i < op.inputs.size(); ++i) {
    slice.begin = slice.end;
    slice.end += op.in(i)[slice.axis];
    d.backward.push_back(
        {slice.forward(op.out(0), Purpose::train), {cotangent()}, {static_cast<int>(i)}});
  }
  return d;
}

std::optional<Differentiation> of_permute(const Op& op) {
  const Op back = ops::Permute::from(op.attributes).inverse().forward(op.out(0), Purpose::train);
  return Differentiation{op, 0, {{back, {cotangent()}, {0}}}};
}

template <class Family>
std::optional<Differentiation> of_unary(const Op& op) {
  return Differentiation{
      op, 0, {{Family::from(op.attributes).backward(op.in(0)), {cotangent()}, {0}}}};
}

std::optional<Differentiation> of_embedding(const Op& op) {
  const Op back = ops::Embedding::from(op.attributes).backward(op.in(0), op.in(1));
  return Differentiation{op, 0, {{back, {cotangent(), fed_input(1)}, {0}}}};
}

std::optional<Differentiation> of_dropout(const Op& op) {
  const Op back = ops::Dropout::from(op.attributes).backward(op.in(0));
  return Differentiation{op, 0, {{back, {cotangent(), fed_input(1)}, {0}}}};
}

/// The mean has the gradient of the result.
std::optional<Differentiation> of_gaussian_sample(const Op& op) {
  const Op back = ops::GaussianSample::from(op.attributes).backward(op.in(0));
  return Differentiation{op, 0, {{back, {cotangent(), fed_input(2)}, {1}}}};
}

// Items.

ItemAxes concat_items(const Op& op) {
  return ops::Concat::from(op.attributes).axis == 0 ? ItemAxes() : batch_items(op);
}

ItemAxes slice_items(const Op& op) {
  return ops::Slice::from(op.attributes).axis == 0 ? ItemAxes() : batch_items(op);
}

ItemAxes permute_items(const Op& op) {
  const auto order = ops::Permute::from(op.attributes).order;
  return order.empty() || order[0] != 0 ? ItemAxes() : batch_items(op);
}

ItemAxes pad_items(const Op& op) {
  const auto padding = ops::Pad::from(op.attributes).padding;
  const bool first_padded = padding.empty() || padding[0][0] + padding[0][1] > 0;
  return first_padded ? ItemAxes() : batch_items(op);
}

/// The positions are the items; the table is shared.
ItemAxes embedding_items(const Op& op) {
  if (!is_forward(op) || op.in(1).rank() == 0) return {};
  return {.inputs = {{1, 0}}, .outputs = {{0, 0}}, .item_outputs = {0}};
}

// Cases that may give mostly zeros.

bool any(const Case&) { return true; }

}  // namespace

std::span<const FamilyRules> structure_rules() {
  static const std::vector<FamilyRules> kRules = [] {
    const auto arithmetic = arithmetic_rules();
    std::vector<FamilyRules> all(arithmetic.begin(), arithmetic.end());
    const FamilyRules arrangement[] = {
        {.family = "concat/1",
         .differentiate = of_concat,
         .items = concat_items,
         .exact_on_integers = always},
        {.family = "slice/1",
         .differentiate = of_unary<ops::Slice>,
         .items = slice_items,
         .mostly_zero = backward_only,
         .exact_on_integers = always},
        {.family = "permute/1",
         .differentiate = of_permute,
         .items = permute_items,
         .exact_on_integers = always},
        {.family = "pad/1",
         .differentiate = of_unary<ops::Pad>,
         .items = pad_items,
         .mostly_zero = any,
         .exact_on_integers = always},
        {.family = "upsample2d/1",
         .bound = bound_upsample,
         .differentiate = of_unary<ops::Upsample2d>,
         .items = batch_items,
         .exact_on_integers = always},
        {.family = "embedding/1",
         .bound = bound_embedding,
         .fill = fill_ids,
         .differentiate = of_embedding,
         .items = embedding_items,
         .refused = bad_ids,
         .mostly_zero = any,
         .exact_on_integers = always},
        {.family = "cast/1",
         .fill = fill_whole_numbers,
         .items = batch_items,
         .refused = bad_numbers},
        {.family = "dropout/1",
         .bound = bound_dropout,
         .fill = fill_random,
         .differentiate = of_dropout,
         .in_place = first_input,
         .mostly_zero = any},
        {.family = "gaussian_sample/1",
         .bound = bound_gaussian_sample,
         .fill = fill_random,
         .differentiate = of_gaussian_sample,
         .in_place = first_input},
    };
    all.insert(all.end(), std::begin(arrangement), std::end(arrangement));
    return all;
  }();
  return kRules;
}

}  // namespace soma::conformance
