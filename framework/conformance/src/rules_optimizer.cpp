#include "bound_tools.hpp"
#include "family.hpp"
#include "soma/sdk/ops/adaptive_optimizer.hpp"
#include "soma/sdk/ops/regularization.hpp"
#include "tracked.hpp"

namespace soma::conformance {
namespace {

Tracked decayed(double weight_decay, Tracked w, Tracked grad) {
  return weight_decay == 0 ? grad : fma(constant(weight_decay), w, grad);
}
Tracked mean(double beta, Tracked old, Tracked x) {
  return fma(constant(beta), old, constant(1 - beta) * x);
}

// One element of each step: the new weight; the new state in `state`.
using Step = Tracked (*)(const Op&, Tracked w, Tracked grad, const std::vector<double>& scalars,
                         std::vector<Tracked>& state);

Tracked adagrad(const Op& op, Tracked w, Tracked grad, const std::vector<double>& scalars,
                std::vector<Tracked>& state) {
  const auto o = ops::Adagrad::from(op.attributes);
  const Tracked g = decayed(o.weight_decay, w, grad);
  state[0] = fma(g, g, state[0]);
  return w - (Tracked(scalars[0]) * g) / (sqrt(state[0]) + constant(o.epsilon));
}

Tracked rmsprop(const Op& op, Tracked w, Tracked grad, const std::vector<double>& scalars,
                std::vector<Tracked>& state) {
  const auto o = ops::Rmsprop::from(op.attributes);
  const Tracked g = decayed(o.weight_decay, w, grad);
  Tracked s = state[0] = mean(o.alpha, state[0], g * g);
  if (o.centered) {
    state[1] = mean(o.alpha, state[1], g);
    s = positive(fma(-state[1], state[1], s));
  }
  // The root is never negative: where the error exceeds it, epsilon alone bounds the quotient.
  const Tracked root = sqrt(s), epsilon = constant(o.epsilon);
  Tracked denominator = root + epsilon;
  Tracked d = g / denominator;
  if (denominator.error >= denominator.value / 2) {
    d.error = 2 * (std::abs(g.value) + g.error) / epsilon.value;
  }
  if (o.momentum != 0) {
    Tracked& velocity = state[o.centered ? 2 : 1];
    d = velocity = fma(constant(o.momentum), velocity, d);
  }
  return fma(-scalars[0], d, w);
}

Tracked adadelta(const Op& op, Tracked w, Tracked grad, const std::vector<double>& scalars,
                 std::vector<Tracked>& state) {
  const auto o = ops::Adadelta::from(op.attributes);
  const Tracked g = decayed(o.weight_decay, w, grad), epsilon = constant(o.epsilon);
  state[0] = mean(o.rho, state[0], g * g);
  const Tracked d = (sqrt(state[1] + epsilon) / sqrt(state[0] + epsilon)) * g;
  state[1] = mean(o.rho, state[1], d * d);
  return fma(-scalars[0], d, w);
}

Tracked adamw(const Op& op, Tracked w, Tracked g, const std::vector<double>& scalars,
              std::vector<Tracked>& state) {
  const auto o = ops::AdamW::from(op.attributes);
  state[0] = mean(o.beta1, state[0], g);
  state[1] = mean(o.beta2, state[1], g * g);
  const Tracked step =
      (Tracked(scalars[0]) * state[0]) / (sqrt(state[1] * scalars[1]) + constant(o.epsilon));
  return fma(-scalars[2], w, w) - step;
}

Tracked nadam(const Op& op, Tracked w, Tracked grad, const std::vector<double>& scalars,
              std::vector<Tracked>& state) {
  const auto o = ops::Nadam::from(op.attributes);
  const Tracked g = decayed(o.weight_decay, w, grad);
  state[0] = mean(o.beta1, state[0], g);
  state[1] = mean(o.beta2, state[1], g * g);
  return w - fma(scalars[0], g, Tracked(scalars[1]) * state[0]) /
                 (sqrt(state[1] * scalars[2]) + constant(o.epsilon));
}

Tracked lion(const Op& op, Tracked w, Tracked g, const std::vector<double>& scalars,
             std::vector<Tracked>& state) {
  const auto o = ops::Lion::from(op.attributes);
  const Tracked c = mean(o.beta1, state[0], g);
  state[0] = mean(o.beta2, state[0], g);
  return fma(-scalars[0], sign(c), fma(-scalars[1], w, w));
}

template <Step step>
void bound_step(const Oracle&, const Op& op, const Operands& operands, Fill,
                std::vector<Expected>& result) {
  std::vector<std::vector<double>> in;
  for (const Array& a : operands.inputs) in.push_back(doubles(a));
  for (std::size_t i = 0; i < result[0].value.size(); ++i) {
    std::vector<Tracked> state;
    for (std::size_t s = 3; s < in.size(); ++s) state.emplace_back(in[s][i]);
    const Tracked w = step(op, in[0][i], in[1][i], in[2], state);
    set_limit(result[0], i, w);
    for (std::size_t s = 0; s < state.size(); ++s) {
      set_limit(result[s + 1], i, state[s]);
      // An overflow of the weight's step leaves the state as it is, but not the other way round.
      result[0].magnitude[i] = std::max(result[0].magnitude[i], state[s].magnitude);
    }
  }
}

bool is_second_moment(const Op& op, std::size_t input) {
  const std::string_view family = op.family();
  if (family == "adagrad/1" || family == "rmsprop/1") return input == 3;
  if (family == "adadelta/1") return input == 3 || input == 4;
  return (family == "adamw/1" || family == "nadam/1") && input == 4;
}

/// The scalars of the first update (case names with "first"), of no rate ("lr_0"), else of the
/// third.
void fill_scalars(const Case& c, std::span<float> to) {
  const std::string_view family = c.op.family();
  const bool first = c.name.find("first") != std::string::npos;
  const double rate = c.name.find("lr_0") != std::string::npos ? 0 : 0.01, t = first ? 1 : 3;
  const auto set = [&](std::size_t i, double x) { to[i] = static_cast<float>(x); };
  set(0, rate);
  if (family == "adamw/1") {
    const auto o = ops::AdamW::from(c.op.attributes);
    set(0, rate / (1 - std::pow(o.beta1, t)));
    set(1, 1 / (1 - std::pow(o.beta2, t)));
    set(2, rate * 0.01);
  } else if (family == "nadam/1") {
    const auto o = ops::Nadam::from(c.op.attributes);
    set(0, rate * (1 - o.beta1) / (1 - std::pow(o.beta1, t)));
    set(1, rate * o.beta1 / (1 - std::pow(o.beta1, t + 1)));
    set(2, 1 / (1 - std::pow(o.beta2, t)));
  } else if (family == "lion/1") {
    set(1, rate * 0.1);
  }
}

/// A first update finds zeros in the state; gradients of "tiny" cases are about 1e-30, of "large"
/// ones about 1e20, of "zero" ones 0.
bool fill_step(const Case& c, std::size_t input, Fill fill, const Numbers& numbers, Array& array) {
  const auto x = array.as<float>();
  const auto named = [&](const char* word) { return c.name.find(word) != std::string::npos; };
  if (input == 2) {
    fill_scalars(c, x);
    return true;
  }
  if (input >= 3 && named("first")) {
    std::ranges::fill(x, 0.0f);
    return true;
  }
  if (fill != Fill::random) {
    if (!is_second_moment(c.op, input)) return false;
    for (std::size_t e = 0; e < x.size(); ++e) x[e] = static_cast<float>(numbers.positive(e));
    if (x.empty()) return true;
    if (fill == Fill::nonfinite) x[x.size() / 2] = INFINITY;
    if (fill == Fill::huge) x[x.size() / 2] = 3e38f;
    return true;
  }
  if (input == 1 && (named("tiny") || named("large") || named("zero"))) {
    const float scale = named("tiny") ? 1e-30f : named("large") ? 1e20f : 0.0f;
    for (std::size_t e = 0; e < x.size(); ++e) x[e] = scale * numbers.symmetric(e, 3);
    return true;
  }
  if (!is_second_moment(c.op, input)) return false;
  // Above the square of any first moment, as a mean of squares is; zero at every fifth element.
  for (std::size_t e = 0; e < x.size(); ++e) {
    x[e] = e % 5 == 4 ? 0.0f : static_cast<float>(1 + numbers.positive(e));
  }
  return true;
}

std::vector<FamilyRules::InPlace> all_in_place(const Op& op) {
  FamilyRules::InPlace pairs{{0, 0}};
  for (int s = 1; s < static_cast<int>(op.outputs.size()); ++s) pairs.emplace_back(s, s + 2);
  return {pairs};
}

/// Of gradients that are 0, or whose squares underflow.
bool zero_state(const Case& c) {
  return c.name.find("zero") != std::string::npos || c.name.find("tiny") != std::string::npos;
}

void bound_penalty(const Oracle&, const Op& op, const Operands& operands, Fill,
                   std::vector<Expected>& result) {
  const auto o = ops::Penalty::from(op.attributes);
  const auto grad = doubles(operands.inputs[0]), weight = doubles(operands.inputs[1]);
  for (std::size_t i = 0; i < grad.size(); ++i) {
    Tracked g = grad[i];
    if (o.l1 != 0) g = fma(constant(o.l1), sign(Tracked(weight[i])), g);
    if (o.l2 != 0) g = fma(constant(o.l2), weight[i], g);
    set_limit(result[0], i, g);
  }
}

Tracked squares(std::span<const double> x) {
  std::vector<Tracked> terms;
  for (const double v : x) terms.push_back(Tracked(v) * v);
  return total(terms);
}

void bound_squared_norm(const Oracle&, const Op&, const Operands& operands, Fill,
                        std::vector<Expected>& result) {
  const auto x = doubles(operands.inputs[0]), before = doubles(operands.inputs[1]);
  set_limit(result[0], 0, Tracked(before[0]) + squares(x));
}

/// x * min(1, limit / norm): continuous where the norm reaches the limit, exact well below it.
Tracked shortened(double x, Tracked squared_norm, double limit) {
  const Tracked norm = sqrt(squared_norm);
  if (norm.value + norm.error < limit) return x;
  Tracked factor = constant(limit) / norm;
  if (!(factor.value < 1)) factor.value = 1;
  return Tracked(x) * factor;
}

void bound_clip_by_norm(const Oracle&, const Op& op, const Operands& operands, Fill,
                        std::vector<Expected>& result) {
  const auto x = doubles(operands.inputs[0]), norm = doubles(operands.inputs[1]);
  const double limit = ops::ClipByNorm::from(op.attributes).max_norm;
  for (std::size_t i = 0; i < x.size(); ++i) {
    set_limit(result[0], i, shortened(x[i], norm[0], limit));
  }
}

void bound_max_norm(const Oracle&, const Op& op, const Operands& operands, Fill,
                    std::vector<Expected>& result) {
  const auto w = doubles(operands.inputs[0]);
  const double limit = ops::MaxNorm::from(op.attributes).limit;
  const auto length = static_cast<std::size_t>(op.in(0).elements_from(1));
  for (std::size_t start = 0; start < w.size(); start += length) {
    const Tracked norm = squares(std::span(w).subspan(start, length));
    for (std::size_t i = start; i < start + length; ++i) {
      set_limit(result[0], i, shortened(w[i], norm, limit));
    }
  }
}

/// A sum of squares is not negative: below the limit of the case, or far above it ("_long").
bool fill_norm(const Case& c, std::size_t input, Fill, const Numbers&, Array& array) {
  if (input != 1) return false;
  array.as<float>()[0] = c.name.find("_long") != std::string::npos ? 1234.5f : 0.25f;
  return true;
}

std::vector<FamilyRules::InPlace> first_in_place(const Op&) { return {{{0, 0}}}; }
std::vector<FamilyRules::InPlace> norm_in_place(const Op&) { return {{{0, 1}}}; }

ItemAxes unit_axis(const Op&) {
  return {.inputs = {{0, 0}}, .outputs = {{0, 0}}, .item_outputs = {0}};
}

}  // namespace

std::span<const FamilyRules> optimizer_rules() {
  static const auto step = [](std::string_view family, auto bound) {
    return FamilyRules{.family = family,
                       .bound = bound,
                       .fill = &fill_step,
                       .in_place = &all_in_place,
                       .mostly_zero = &zero_state};
  };
  static const FamilyRules rules[] = {
      step("adagrad/1", &bound_step<&adagrad>),
      step("rmsprop/1", &bound_step<&rmsprop>),
      step("adadelta/1", &bound_step<&adadelta>),
      step("adamw/1", &bound_step<&adamw>),
      step("nadam/1", &bound_step<&nadam>),
      step("lion/1", &bound_step<&lion>),
      {.family = "penalty/1", .bound = &bound_penalty, .in_place = &first_in_place},
      {.family = "clip_gradient/1", .in_place = &first_in_place},
      {.family = "squared_norm/1", .bound = &bound_squared_norm, .in_place = &norm_in_place},
      {.family = "clip_by_norm/1",
       .bound = &bound_clip_by_norm,
       .fill = &fill_norm,
       .in_place = &first_in_place},
      {.family = "max_norm/1",
       .bound = &bound_max_norm,
       .in_place = &first_in_place,
       .items = &unit_axis},
  };
  return rules;
}

}  // namespace soma::conformance
