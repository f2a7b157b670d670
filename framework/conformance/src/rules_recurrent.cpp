#include "family.hpp"
#include "recurrent_bounds.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::conformance {
namespace {

using Feed = Differentiation::Feed;
constexpr Feed input(int i) { return {Feed::From::input, i}; }
constexpr Feed output(int i) { return {Feed::From::output, i}; }
constexpr Feed cotangent() { return {Feed::From::cotangent, 0}; }

/// `values(numbers, e)` for each element.
template <class Values>
bool filled(Array& array, const Numbers& numbers, Values&& values) {
  const auto x = array.as<float>();
  for (std::size_t e = 0; e < x.size(); ++e) x[e] = static_cast<float>(values(numbers, e));
  return true;
}

/// Recurrent weights of the size that training keeps, so that long sequences neither explode nor
/// die out.
bool fill_weights(Fill fill, const Numbers& numbers, Array& array) {
  if (fill != Fill::random) return false;
  const double scale = 1 / std::sqrt(std::max(1.0, static_cast<double>(array.info.shape[1])));
  return filled(array, numbers, [=](const Numbers& of, std::size_t e) {
    return scale * double{of.symmetric(e, 3)};
  });
}

bool fill_rnn(const Case& c, std::size_t operand, Fill fill, const Numbers& numbers, Array& array) {
  if (c.op.direction() == "bwd") {
    return operand == 0 && fill_weights(fill, numbers, array);
  }
  if (c.op.attributes.text("activation", "tanh") == "tanh") {
    return operand == 1 && fill_weights(fill, numbers, array);
  }
  // Inputs so large, and weights so small, that no state of a relu is near the kink.
  if (fill != Fill::random || operand > 2) return false;
  const double units = std::max(1.0, static_cast<double>(c.op.in(1)[1]));
  return filled(array, numbers, [=](const Numbers& of, std::size_t e) {
    const double v = double{of.symmetric(e, 3)};
    return operand == 0 ? v + std::copysign(2.0, v) : operand == 1 ? 0.25 / units * v : 0.5 * v;
  });
}

/// For the backward, input kSaved holds gates as a forward may have left them: sigmoids but for
/// [kFirstFree, kEndFree).
template <std::size_t kSaved, std::int64_t kFirstFree, std::int64_t kEndFree>
bool fill_gated(const Case& c, std::size_t operand, Fill fill, const Numbers& numbers,
                Array& array) {
  if (c.op.direction() == "fwd") return operand == 1 && fill_weights(fill, numbers, array);
  if (operand == 0) return fill_weights(fill, numbers, array);
  if (operand != kSaved || fill != Fill::random) return false;
  const std::int64_t units = c.op.in(1)[1];
  return filled(array, numbers, [&](const Numbers& of, std::size_t e) {
    const std::int64_t gate = static_cast<std::int64_t>(e) / units % 4;
    const bool free = kFirstFree <= gate && gate < kEndFree;
    const double value = free ? double{of.symmetric(e, 2)} : of.positive(e);
    return c.spread == Spread::wide ? std::round(value) : value;  // saturated
  });
}

/// Batch first: the operands and results that hold one sequence per row.
ItemAxes items(const Op& op) {
  ItemAxes axes;
  const bool forward = op.direction() == "fwd";
  for (int i = 0; i < static_cast<int>(op.inputs.size()); ++i) {
    const bool weights = i == (forward ? 1 : 0);
    if (weights || op.in(static_cast<std::size_t>(i)).rank() == 1) continue;
    axes.inputs.emplace_back(i, 0);
  }
  const int outputs = static_cast<int>(op.outputs.size());
  const int states = op.family() == "lstm/1" ? 2 : 1;  // the gradients of h0 and c0 come last
  for (int o = 0; o < outputs; ++o) {
    if (!forward && o != 0 && o < outputs - states) continue;
    axes.outputs.emplace_back(o, 0);
    axes.item_outputs.push_back(o);
  }
  return axes;
}

std::optional<Differentiation> differentiate(const Op& op) {
  if (op.direction() != "fwd" || op.purpose != Purpose::train) return std::nullopt;
  const Shape& xw = op.in(0);
  if (op.family() == "rnn/1") {
    return Differentiation{op,
                           0,
                           {{ops::Rnn::from(op.attributes).backward(xw),
                             {input(1), input(3), output(0), cotangent()},
                             {0, 1, 2, 3}}}};
  }
  if (op.family() == "lstm/1") {
    return Differentiation{
        op,
        0,
        {{ops::Lstm::from(op.attributes).backward(xw),
          {input(1), input(3), input(4), output(0), output(1), output(2), cotangent()},
          {0, 1, 2, 3, 4}}}};
  }
  return Differentiation{op,
                         0,
                         {{ops::Gru::from(op.attributes).backward(xw),
                           {input(1), input(4), output(0), output(1), cotangent()},
                           {0, 1, 2, 3, 4}}}};
}

}  // namespace

std::span<const FamilyRules> recurrent_rules() {
  static const FamilyRules rules[] = {{.family = "rnn/1",
                                       .bound = &bound_recurrent,
                                       .fill = &fill_rnn,
                                       .differentiate = &differentiate,
                                       .items = &items},
                                      {.family = "lstm/1",  // gates i, f, g, o: g is a tanh
                                       .bound = &bound_recurrent,
                                       .fill = &fill_gated<5, 2, 3>,
                                       .differentiate = &differentiate,
                                       .items = &items},
                                      {.family = "gru/1",  // gates r, z, n, q: n and q are free
                                       .bound = &bound_recurrent,
                                       .fill = &fill_gated<3, 2, 4>,
                                       .differentiate = &differentiate,
                                       .items = &items}};
  return rules;
}

}  // namespace soma::conformance
