#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// The op families of activations: y = f(x), element by element, any shape. Attributes, with their
/// defaults, are rounded to float32 before use, in float64 too.
///
///   fwd  (x) -> y
///   bwd  (x, grad_y) -> grad_x = f'(x) * grad_y, the derivative evaluated from x, not from the
///        rounded y
///
///   relu/1          x where x > 0, else +0
///   leaky_relu/1    x where x > 0, else alpha x                      alpha 0.01
///   elu/1           x where x > 0, else alpha (e^x - 1)              alpha 1
///   selu/1          1.0507009873554805 x where x > 0, else 1.7580993408473766 (e^x - 1)
///   sigmoid/1       1 / (1 + e^-x)
///   tanh/1          tanh(x)
///   silu/1          x sigmoid(x)
///   gelu/1          x Phi(x); with approximate = "tanh"
///                   x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))    approximate "none"
///   mish/1          x tanh(softplus(x))
///   softplus/1      log(1 + e^x)
///   softsign/1      x / (1 + |x|)
///   hard_sigmoid/1  alpha x + beta within [0, 1], alpha > 0          alpha 0.2, beta 0.5
///   hard_swish/1    x times (x/6 + 1/2 within [0, 1])
///   step/1          1 where x >= 0, else 0; its gradient is +0 throughout
///   exp/1 log/1 abs/1 sqrt/1 square/1
///   clip/1          x within [low, high], low <= high                low -Inf, high +Inf
///
/// NaN gives NaN. Ties: the derivative at 0 of relu is 0, of leaky_relu alpha, of elu alpha, of
/// selu 1.758..., of abs 0; it is 0 at both ends of hard_sigmoid's slope (x = -beta/alpha and
/// (1 - beta)/alpha, rounded to float32) and at -3 of hard_swish, which has 1 at 3; clip passes
/// the gradient only strictly within (low, high). Where relu, hard_sigmoid, hard_swish, step, abs
/// and clip have the derivative 0 the gradient is +0 whatever grad_y is; at NaN their derivative
/// is 0, hard_swish excepted, and that of leaky_relu is alpha. Where f tends to 0 from below
/// (silu, gelu, mish, hard_swish) its end is -0. relu(-0) = +0, the others that pass 0 keep its
/// sign. The output of relu may stand in for x in its bwd: both give the same bits.
///
/// y may be x; grad_x may be grad_y.
/// Sources: ONNX operators of these names; the papers named in soma/sdk/math/gates.hpp and
/// activations.hpp.
struct Activation {
  std::string name;  ///< "relu", "leaky_relu", ...: the family without its version
  Attributes attributes = {};

  static Activation leaky_relu(double alpha = 0.01) {
    Activation a{"leaky_relu"};
    a.attributes.set_unless("alpha", alpha, 0.01);
    return a;
  }
  static Activation elu(double alpha = 1) {
    Activation a{"elu"};
    a.attributes.set_unless("alpha", alpha, 1.0);
    return a;
  }
  static Activation gelu_tanh() {
    Activation a{"gelu"};
    a.attributes.set("approximate", std::string("tanh"));
    return a;
  }
  /// Throws ShapeError unless alpha > 0.
  static Activation hard_sigmoid(double alpha = 0.2, double beta = 0.5) {
    if (!(alpha > 0)) throw ShapeError("hard_sigmoid: alpha: expected a number above 0");
    Activation a{"hard_sigmoid"};
    a.attributes.set_unless("alpha", alpha, 0.2);
    a.attributes.set_unless("beta", beta, 0.5);
    return a;
  }
  /// Throws ShapeError unless low <= high.
  static Activation clip(double low, double high) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (!(low <= high)) throw ShapeError("clip: low: expected a number up to high");
    Activation a{"clip"};
    a.attributes.set_unless("low", low, -kInfinity);
    a.attributes.set_unless("high", high, kInfinity);
    return a;
  }

  std::string forward_id() const { return name + "/1.fwd"; }
  std::string backward_id() const { return name + "/1.bwd"; }
  Op forward(const Shape& x, Purpose purpose) const {
    return {forward_id(), {{DType::f32, x}}, {{DType::f32, x}}, attributes, purpose};
  }
  Op backward(const Shape& x) const {
    return {backward_id(),
            {{DType::f32, x}, {DType::f32, x}},
            {{DType::f32, x}},
            attributes,
            Purpose::train};
  }
  /// The activation that an op of one of these families computes.
  static Activation of(const Op& op) {
    const std::string_view family = op.family();
    return {std::string(family.substr(0, family.find('/'))), op.attributes};
  }
};

/// An activation without parameters, under the name that model files and epilogues give it.
struct NamedActivation {
  std::string_view name;
  Activation (*make)();
  /// Largest |f'|, by which an error of x reaches y. Infinite where there is none.
  double slope;
  /// Both ends are bounded: weights in front of it keep the variance of Xavier, not of He.
  bool saturates;

  /// A contraction may compute it in its epilogue when no backward follows.
  constexpr bool fusible() const { return slope < 2; }
};

/// Every name there is, "" and aliases (find_activation) apart. To add one, add a line here, its
/// function in soma/sdk/activation_functions.hpp and, for a new family, its name in
/// kActivationFamilies. hard_sigmoid has the slope 1/6 of PyTorch and MobileNet here.
inline constexpr double kNoSlope = std::numeric_limits<double>::infinity();
inline constexpr NamedActivation kNamedActivations[] = {
    {"relu", [] { return Activation{"relu"}; }, 1, false},
    {"sigmoid", [] { return Activation{"sigmoid"}; }, 0.25, true},
    {"tanh", [] { return Activation{"tanh"}; }, 1, true},
    {"leaky_relu", [] { return Activation::leaky_relu(); }, 1, false},
    {"elu", [] { return Activation::elu(); }, 1, false},
    {"selu", [] { return Activation{"selu"}; }, 1.7581, false},
    {"silu", [] { return Activation{"silu"}; }, 1.1, false},
    {"gelu", [] { return Activation{"gelu"}; }, 1.13, false},
    {"gelu_tanh", [] { return Activation::gelu_tanh(); }, 1.13, false},
    {"mish", [] { return Activation{"mish"}; }, 1.09, false},
    {"softplus", [] { return Activation{"softplus"}; }, 1, false},
    {"softsign", [] { return Activation{"softsign"}; }, 1, true},
    {"hard_sigmoid", [] { return Activation::hard_sigmoid(1.0 / 6); }, 1.0 / 6, true},
    {"hard_swish", [] { return Activation{"hard_swish"}; }, 1.5, false},
    {"step", [] { return Activation{"step"}; }, kNoSlope, true},
    {"exp", [] { return Activation{"exp"}; }, kNoSlope, false},
    {"log", [] { return Activation{"log"}; }, kNoSlope, false},
    {"abs", [] { return Activation{"abs"}; }, 1, false},
    {"sqrt", [] { return Activation{"sqrt"}; }, kNoSlope, false},
    {"square", [] { return Activation{"square"}; }, kNoSlope, false},
};

/// The families above, without their version; all have the ids <family>/1.fwd and .bwd.
inline constexpr std::string_view kActivationFamilies[] = {
    "relu", "sigmoid", "tanh",     "leaky_relu", "elu",          "selu",       "silu",
    "gelu", "mish",    "softplus", "softsign",   "hard_sigmoid", "hard_swish", "step",
    "exp",  "log",     "abs",      "sqrt",       "square",       "clip"};

/// The row of `name`, for which "swish" stands for "silu"; null for a name that is not in the
/// table, among them "" and "identity", which leave x as it is.
inline const NamedActivation* find_activation(std::string_view name) {
  if (name == "swish") name = "silu";
  for (const NamedActivation& row : kNamedActivations) {
    if (row.name == name) return &row;
  }
  return nullptr;
}
constexpr bool is_identity(std::string_view name) { return name.empty() || name == "identity"; }

/// "relu/1.fwd", "relu/1.bwd", ...
inline std::vector<std::string> activation_ids() {
  std::vector<std::string> ids;
  for (const std::string_view family : kActivationFamilies) {
    const Activation activation{std::string(family)};
    ids.push_back(activation.forward_id());
    ids.push_back(activation.backward_id());
  }
  return ids;
}

/// True for a family ("relu/1") of kActivationFamilies.
inline bool is_activation_family(std::string_view family) {
  for (const std::string_view name : kActivationFamilies) {
    if (family.size() == name.size() + 2 && family.starts_with(name) && family.ends_with("/1")) {
      return true;
    }
  }
  return false;
}

}  // namespace soma::ops
