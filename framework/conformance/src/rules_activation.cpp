#include <algorithm>
#include <cfloat>
#include <limits>
#include <numbers>

#include "bound_tools.hpp"
#include "family.hpp"
#include "soma/sdk/math/gates.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/prelu.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma::conformance {

double activation_ulp(std::string_view name) {
  for (const std::string_view exact : {"relu", "abs", "step", "clip"}) {
    if (name == exact) return 0;
  }
  for (const std::string_view rounded_once : {"leaky_relu", "hard_sigmoid", "sqrt", "square"}) {
    if (name == rounded_once) return 0.5;
  }
  for (const std::string_view elementary : {"tanh", "exp", "log"}) {
    if (name == elementary) return 1.5;
  }
  return 2.5;
}

namespace {

using Feed = Differentiation::Feed;
using InPlace = FamilyRules::InPlace;

std::string_view name_of_family(const Op& op) {
  return op.family().substr(0, op.family().find('/'));
}

/// Sum of the |terms| of the derivative of a gate at x, |slope| for other functions and far out.
double derivative_terms(const ops::Activation& activation, double x, double slope) {
  if (!(std::abs(x) < 700)) return std::abs(slope);
  const double s = math::sigmoid(x);
  if (activation.name == "silu") return s + std::abs(x) * s * math::sigmoid(-x);
  if (activation.name == "mish") {
    const double t = std::tanh(math::softplus(x));
    return t + std::abs(x) * (1 - t * t) * s;
  }
  if (activation.name != "gelu") return std::abs(slope);
  if (activation.attributes.text("approximate", "none") == "tanh") {
    const double v = x * (math::detail::kGeluTanhA + math::detail::kGeluTanhB * x * x);
    const double h = x * (math::detail::kGeluTanhA + 3 * math::detail::kGeluTanhB * x * x);
    return math::sigmoid(v) * (1 + std::abs(h) * math::sigmoid(-v));
  }
  const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
  return 0.5 * std::erfc(-x / std::numbers::sqrt2) + std::abs(x) * density;
}

/// Forward: p ulp. Backward: 4 ulp at the lower end of a binade, of the sum of |terms|.
void bound_activation(const Oracle& oracle, const Op& op, const Operands& operands, Fill,
                      std::vector<Expected>& result) {
  const ops::Activation activation = ops::Activation::of(op);
  Expected& e = result[0];
  if (op.direction() == "fwd") {
    const double p = activation_ulp(activation.name);
    for (std::size_t i = 0; p > 0 && i < e.value.size(); ++i) {
      e.limit[i] = p * ulp(e.value[i]) + kTiny;
    }
    return;
  }
  Operands unit = operands;
  std::ranges::fill(unit.inputs[1].as<float>(), 1.0f);
  const std::vector<double> slope = doubles(oracle.evaluate(op, unit)[0]);
  const std::vector<double> x = doubles(operands.inputs[0]), grad = doubles(operands.inputs[1]);
  const bool exact = activation_ulp(activation.name) == 0;
  for (std::size_t i = 0; i < e.value.size(); ++i) {
    const double g = std::abs(grad[i]);
    // A slope beyond float32 overflows before a small gradient can bring it back.
    e.magnitude[i] = std::max(e.magnitude[i], std::abs(slope[i]));
    if (exact) continue;
    if (!std::isfinite(g) || !std::isfinite(slope[i])) continue;  // +0 or not finite
    e.limit[i] = 8 * kU * derivative_terms(activation, x[i], slope[i]) * g + kTiny * (1 + 2 * g);
  }
}

bool fill_activation(const Case& c, std::size_t input, Fill fill, const Numbers& numbers,
                     Array& array) {
  // Logarithms and roots of positive numbers; the other fills have negative ones too.
  const std::string_view name = name_of_family(c.op);
  if (input != 0 || fill != Fill::random || (name != "log" && name != "sqrt")) return false;
  const double scale = c.spread == Spread::wide ? 1000 : 1;
  for (std::size_t e = 0; float& x : array.as<float>()) {
    const double p = numbers.positive(e++);
    x = static_cast<float>(scale * (0.25 + 15.75 * p * p));
  }
  return true;
}

std::optional<Differentiation> differentiate_activation(const Op& op) {
  const ops::Activation activation = ops::Activation::of(op);
  return Differentiation{
      op,
      0,
      {{activation.backward(op.in(0)), {{Feed::From::input, 0}, {Feed::From::cotangent, 0}}, {0}}}};
}

std::vector<InPlace> in_place_activation(const Op& op) {
  return {op.direction() == "fwd" ? InPlace{{0, 0}} : InPlace{{0, 1}}};
}

ItemAxes items_by_rows(const Op& op) {
  ItemAxes axes;
  if (op.in(0).rank() == 0) return axes;
  for (int i = 0; i < static_cast<int>(op.inputs.size()); ++i) axes.inputs.emplace_back(i, 0);
  axes.outputs = {{0, 0}};
  axes.item_outputs = {0};
  return axes;
}

bool exact_on_integers(const Op& op) {
  const std::string_view name = name_of_family(op);
  return name == "abs" || name == "square" || name == "step" || name == "clip";
}

/// gamma of `roundings`; on random data no more than numerics.md's T2 allows.
double relative_limit(double roundings, Fill fill) {
  const double hard = gamma_n(roundings);
  return fill == Fill::random ? std::min(hard, 4 * std::sqrt(roundings) * kU) : hard;
}

/// Roundings on the way of one term through a canonical reduction of n terms.
double reduction_depth(double n) { return std::min(n, 4096.0) / 16 + 1 + 4 + n / 4096 + 1; }

void bound_prelu(const Oracle&, const Op& op, const Operands& operands, Fill fill,
                 std::vector<Expected>& result) {
  const auto once = [](Expected& e) {
    for (std::size_t i = 0; i < e.value.size(); ++i) e.limit[i] = kU * e.magnitude[i] + kTiny;
  };
  if (fill != Fill::integers) once(result[0]);
  if (op.direction() == "fwd") return;
  Expected& e = result[1];
  const std::vector<double> x = doubles(operands.inputs[0]), grad = doubles(operands.inputs[2]);
  const std::size_t slopes = e.value.size();
  std::ranges::fill(e.magnitude, 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!(x[i] >= 0)) e.magnitude[i % slopes] += std::abs(x[i] * grad[i]);
  }
  if (fill == Fill::integers || slopes == 0) return;
  const double terms = static_cast<double>(x.size() / slopes);
  const double roundings = 1 + (slopes == 1 ? reduction_depth(terms) : terms + 1);
  for (std::size_t i = 0; i < slopes; ++i) {
    e.limit[i] = relative_limit(roundings, fill) * e.magnitude[i] + terms * kTiny;
  }
}

std::optional<Differentiation> differentiate_prelu(const Op& op) {
  return Differentiation{
      op,
      0,
      {{ops::PRelu::backward(op.in(0), op.in(1)),
        {{Feed::From::input, 0}, {Feed::From::input, 1}, {Feed::From::cotangent, 0}},
        {0, 1}}}};
}

std::vector<InPlace> in_place_prelu(const Op& op) {
  return {op.direction() == "fwd" ? InPlace{{0, 0}} : InPlace{{0, 2}}};
}

ItemAxes items_prelu(const Op& op) {
  ItemAxes axes;
  if (op.in(0).rank() < 2) return axes;
  axes.inputs = {{0, 0}};
  if (op.direction() == "bwd") axes.inputs.emplace_back(2, 0);
  axes.outputs = {{0, 0}};
  axes.item_outputs = {0};
  return axes;
}

bool always(const Op&) { return true; }

void bound_log_softmax(const Oracle&, const Op& op, const Operands& operands, Fill fill,
                       std::vector<Expected>& result) {
  const auto classes = static_cast<std::size_t>(op.in(0)[1]);
  const bool forward = op.direction() == "fwd";
  const double sum_limit = relative_limit(reduction_depth(static_cast<double>(classes)), fill);
  Expected& e = result[0];
  const std::vector<double> x = doubles(operands.inputs[0]);
  const std::vector<double> grad = forward ? x : doubles(operands.inputs[1]);
  for (std::size_t start = 0; start < x.size(); start += classes) {
    const std::size_t end = start + classes;
    double most = -INFINITY, terms = 0, spread = 0, sizes = 0;
    for (std::size_t i = start; i < end; ++i) most = std::max(most, x[i]);
    for (std::size_t i = start; i < end; ++i) {
      const double a = x[i] - most, term = std::exp(a);
      terms += term;
      if (term > 0) spread += term * std::abs(a);
      sizes += std::abs(grad[i]);
    }
    // Of the logarithm of the sum: the exponentials, their arguments and the sum are rounded.
    const double log_limit = (3 + spread / terms + 3 * std::log(terms)) * kU + sum_limit;
    for (std::size_t i = start; i < end; ++i) {
      if (forward) {
        e.limit[i] = kU * (std::abs(x[i] - most) + std::abs(e.value[i])) + log_limit + kTiny;
        e.magnitude[i] = std::abs(x[i]) + std::abs(most);
      } else {
        const double part = std::exp(x[i]) * sizes;
        e.limit[i] = kU * std::abs(e.value[i]) + (4 * kU + sum_limit) * part + kTiny * (1 + sizes);
        e.magnitude[i] = std::abs(grad[i]) + sizes * std::max(1.0, std::exp(x[i]));
      }
    }
  }
}

/// Logits, and in the backward op their log-softmax, some of them impossible.
bool fill_log_softmax(const Case& c, std::size_t input, Fill fill, const Numbers& numbers,
                      Array& array) {
  if (input != 0) return false;
  const auto x = array.as<float>();
  const auto classes = static_cast<std::size_t>(c.op.in(0)[1]);
  if (c.op.direction() == "fwd") {
    if (fill != Fill::random) return false;
    const float scale = c.spread == Spread::wide ? 8000.0f : 8.0f;
    for (std::size_t e = 0; float& value : x) value = scale * numbers.symmetric(e++, 3);
    return true;
  }
  for (std::size_t start = 0; start < x.size(); start += classes) {
    double sum = 0;
    for (std::size_t i = start; i < start + classes; ++i) {
      x[i] = 4 * numbers.symmetric(i, 3);
      sum += std::exp(x[i]);
    }
    for (std::size_t i = start; i < start + classes; ++i) {
      x[i] = static_cast<float>(x[i] - std::log(sum));
    }
  }
  if (x.empty() || (fill != Fill::nonfinite && fill != Fill::huge)) return true;
  const bool huge = fill == Fill::huge;
  x[0] = huge ? -FLT_MAX : -std::numeric_limits<float>::infinity();
  x[x.size() / 2] = -1e-40f;
  if (x.size() > 3) x[x.size() - 1] = huge ? -0.0f : std::numeric_limits<float>::quiet_NaN();
  return true;
}

std::optional<Differentiation> differentiate_log_softmax(const Op& op) {
  return Differentiation{op,
                         0,
                         {{ops::LogSoftmax::backward(op.in(0)),
                           {{Feed::From::output, 0}, {Feed::From::cotangent, 0}},
                           {0}}}};
}

bool single_class(const Case& c) { return c.op.in(0).rank() == 2 && c.op.in(0)[1] == 1; }

constexpr std::string_view kKinked[] = {"leaky_relu", "elu",  "selu", "softsign", "hard_sigmoid",
                                        "hard_swish", "step", "abs",  "clip"};

}  // namespace

std::span<const FamilyRules> activation_rules() {
  static const std::vector<std::string> families = [] {
    std::vector<std::string> list;
    for (const std::string_view name : ops::kActivationFamilies) {
      if (name == "relu" || name == "sigmoid" || name == "tanh") continue;
      list.push_back(std::string(name) + "/1");
    }
    return list;
  }();
  static const std::vector<FamilyRules> rules = [] {
    std::vector<FamilyRules> list;
    for (const std::string& family : families) {
      const std::string_view name = std::string_view(family).substr(0, family.size() - 2);
      list.push_back({.family = family,
                      .bound = &bound_activation,
                      .fill = &fill_activation,
                      .differentiate = &differentiate_activation,
                      .in_place = &in_place_activation,
                      .items = &items_by_rows,
                      .exact_on_integers = &exact_on_integers,
                      .kinked = std::ranges::find(kKinked, name) != std::end(kKinked)});
    }
    list.push_back({.family = "prelu/1",
                    .bound = &bound_prelu,
                    .differentiate = &differentiate_prelu,
                    .in_place = &in_place_prelu,
                    .items = &items_prelu,
                    .exact_on_integers = &always,
                    .kinked = true});
    list.push_back({.family = "log_softmax/1",
                    .bound = &bound_log_softmax,
                    .fill = &fill_log_softmax,
                    .differentiate = &differentiate_log_softmax,
                    .items = &items_by_rows,
                    .mostly_zero = &single_class});
    return list;
  }();
  return rules;
}

}  // namespace soma::conformance
