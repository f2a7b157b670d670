#include <algorithm>

#include "rules_structure.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"

namespace soma::conformance {
namespace {

using InPlace = FamilyRules::InPlace;

/// One rounding: half an ulp.
void one_rounding(const Oracle&, const Op&, const Operands&, Fill, std::vector<Expected>& result) {
  for (std::size_t i = 0; i < result[0].limit.size(); ++i) {
    result[0].limit[i] = kU * std::abs(result[0].value[i]) + kTiny;
  }
}

/// Sums of one term per element of the reduced axis, each term with `roundings` of its own, and the
/// division of a mean.
void bound_sums(const Oracle& oracle, const Op& op, const Operands& operands, Fill fill,
                double terms, int roundings, std::vector<Expected>& result) {
  Expected& e = result[0];
  e.magnitude = doubles(oracle.evaluate(op, absolute(operands))[0]);
  const bool exact = fill == Fill::integers && op.family() != "mean/1";
  for (std::size_t i = 0; i < e.limit.size(); ++i) {
    const Fill how = fill == Fill::integers && !exact ? Fill::huge : fill;
    e.limit[i] = contraction_limit(terms, roundings, e.magnitude[i], how);
    if (op.family() == "mean/1") e.magnitude[i] *= terms;  // the sum before the division
  }
}

void bound_reduction(const Oracle& oracle, const Op& op, const Operands& operands, Fill fill,
                     std::vector<Expected>& result) {
  if (!is_forward(op)) {  // a copy, or a copy divided
    if (op.family() == "mean/1") one_rounding(oracle, op, operands, fill, result);
    return;
  }
  const int axis = ops::AxisReduction::from(op.attributes).axis;
  bound_sums(oracle, op, operands, fill, static_cast<double>(op.in(0)[axis]),
             op.family() == "mean/1" ? 1 : 0, result);
}

void bound_broadcast(const Oracle& oracle, const Op& op, const Operands& operands, Fill fill,
                     std::vector<Expected>& result) {
  if (is_forward(op)) return one_rounding(oracle, op, operands, fill, result);
  const auto view = ops::AxisView::broadcast("broadcast", op.in(0), op.out(0));
  bound_sums(oracle, op, operands, fill, static_cast<double>(view.reduced),
             op.inputs.size() > 1 ? 1 : 0, result);
}

bool fill_argmax(const Case& c, std::size_t i, Fill, const Numbers& numbers, Array& array) {
  if (is_forward(c.op) || i != 1) return false;
  const std::int64_t extent = c.op.out(0)[ops::AxisReduction::from(c.op.attributes).axis];
  for (std::size_t e = 0; std::int32_t & r : array.as<std::int32_t>()) {
    r = static_cast<std::int32_t>(numbers.bits(e++) % static_cast<std::uint32_t>(extent));
  }
  return true;
}

std::optional<Differentiation> of_broadcast(const Op& op) {
  const Shape &x = op.in(0), &b = op.in(1);
  if (op.id == ops::Broadcast::kAdd) {
    return Differentiation{op, 0, {{ops::Broadcast::add_backward(x, b), {cotangent()}, {1}}}};
  }
  return Differentiation{
      op,
      0,
      {{ops::Broadcast::multiply(x, b, Purpose::train), {cotangent(), fed_input(1)}, {0}},
       {ops::Broadcast::multiply_backward(x, b), {cotangent(), fed_input(0)}, {1}}}};
}

std::optional<Differentiation> of_multiply(const Op& op) {
  const Op back = ops::Multiply::forward(op.in(0), op.in(0), Purpose::train);
  return Differentiation{
      op, 0, {{back, {cotangent(), fed_input(1)}, {0}}, {back, {cotangent(), fed_input(0)}, {1}}}};
}

std::optional<Differentiation> of_subtract(const Op& op) {
  const ops::Scale minus{.factor = -1};
  return Differentiation{op, 0, {{minus.forward(op.in(0), Purpose::train), {cotangent()}, {1}}}};
}

std::optional<Differentiation> of_scale(const Op& op) {
  const ops::Scale slope{.factor = ops::Scale::from(op.attributes).factor};
  return Differentiation{op, 0, {{slope.forward(op.in(0), Purpose::train), {cotangent()}, {0}}}};
}

std::optional<Differentiation> of_reduction(const Op& op) {
  const auto over = ops::AxisReduction::from(op.attributes);
  const Shape& x = op.in(0);
  if (op.id == ops::AxisReduction::kMax) {
    if (op.purpose != Purpose::train) return std::nullopt;
    return Differentiation{op, 0, {{over.max_backward(x), {cotangent(), fed_output(1)}, {0}}}};
  }
  const bool mean = op.id == ops::AxisReduction::kMean;
  return Differentiation{
      op, 0, {{mean ? over.mean_backward(x) : over.sum_backward(x), {cotangent()}, {0}}}};
}

std::vector<InPlace> either_input(const Op&) { return {{{0, 0}}, {{0, 1}}}; }
std::vector<InPlace> first_of_forward(const Op& op) {
  return is_forward(op) ? first_input(op) : std::vector<InPlace>();
}

/// A sum over the batch has no items.
ItemAxes items_of_forward(const Op& op) { return is_forward(op) ? batch_items(op) : ItemAxes(); }

ItemAxes reduction_items(const Op& op) {
  return ops::AxisReduction::from(op.attributes).axis == 0 ? ItemAxes() : batch_items(op);
}

}  // namespace

std::span<const FamilyRules> arithmetic_rules() {
  static const FamilyRules kRules[] = {
      {.family = "multiply/1",
       .bound = one_rounding,
       .differentiate = of_multiply,
       .in_place = either_input,
       .items = batch_items,
       .exact_on_integers = always},
      {.family = "subtract/1",
       .bound = one_rounding,
       .differentiate = of_subtract,
       .in_place = either_input,
       .items = batch_items,
       .exact_on_integers = always},
      {.family = "scale/1",
       .bound = one_rounding,
       .differentiate = of_scale,
       .in_place = first_input,
       .items = batch_items},
      {.family = "broadcast_add/1",
       .bound = bound_broadcast,
       .differentiate = of_broadcast,
       .in_place = first_of_forward,
       .items = items_of_forward,
       .exact_on_integers = always},
      {.family = "broadcast_multiply/1",
       .bound = bound_broadcast,
       .differentiate = of_broadcast,
       .in_place = first_of_forward,
       .items = items_of_forward,
       .exact_on_integers = always},
      {.family = "sum/1",
       .bound = bound_reduction,
       .differentiate = of_reduction,
       .items = reduction_items,
       .exact_on_integers = always},
      {.family = "mean/1",
       .bound = bound_reduction,
       .differentiate = of_reduction,
       .items = reduction_items},
      {.family = "max/1",
       .fill = fill_argmax,
       .differentiate = of_reduction,
       .items = reduction_items,
       .mostly_zero = backward_only,
       .exact_on_integers = always,
       .kinked = true},
  };
  return kRules;
}

}  // namespace soma::conformance
