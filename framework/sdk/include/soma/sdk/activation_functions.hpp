#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "soma/sdk/error.hpp"
#include "soma/sdk/math/activations.hpp"
#include "soma/sdk/ops/activation.hpp"

/// From the name and the attributes of an activation op to the function it computes: what a
/// backend written against the SDK needs to offer all of them.
namespace soma::sdk {
// The functions below contain code of the canonical functions; see math/isa.hpp.
inline namespace SOMA_MATH_ISA {

template <class Function>
struct ActivationEntry {
  using Type = Function;
  std::string_view name;  // the family's; for the second form of gelu the named activation's
  Function (*read)(const Attributes&);
};

namespace detail {

template <class Function>
constexpr ActivationEntry<Function> plain(std::string_view name) {
  return {name, [](const Attributes&) { return Function{}; }};
}
inline float float_of(const Attributes& a, std::string_view name, double fallback) {
  return static_cast<float>(a.real(name, fallback));
}

}  // namespace detail

inline constexpr std::tuple kActivationEntries = {
    detail::plain<math::Relu>("relu"),
    detail::plain<math::Sigmoid>("sigmoid"),
    detail::plain<math::Tanh>("tanh"),
    ActivationEntry<math::LeakyRelu>{
        "leaky_relu",
        [](const Attributes& a) { return math::LeakyRelu{detail::float_of(a, "alpha", 0.01)}; }},
    ActivationEntry<math::Elu>{
        "elu", [](const Attributes& a) { return math::Elu{detail::float_of(a, "alpha", 1)}; }},
    detail::plain<math::Selu>("selu"),
    detail::plain<math::Silu>("silu"),
    detail::plain<math::Gelu>("gelu"),
    detail::plain<math::GeluTanh>("gelu_tanh"),
    detail::plain<math::Mish>("mish"),
    detail::plain<math::Softplus>("softplus"),
    detail::plain<math::Softsign>("softsign"),
    ActivationEntry<math::HardSigmoid>{"hard_sigmoid",
                                       [](const Attributes& a) {
                                         return math::HardSigmoid{detail::float_of(a, "alpha", 0.2),
                                                                  detail::float_of(a, "beta", 0.5)};
                                       }},
    detail::plain<math::HardSwish>("hard_swish"),
    detail::plain<math::Step>("step"),
    detail::plain<math::Exp>("exp"),
    detail::plain<math::Log>("log"),
    detail::plain<math::Abs>("abs"),
    detail::plain<math::Sqrt>("sqrt"),
    detail::plain<math::Square>("square"),
    ActivationEntry<math::Clip>{"clip",
                                [](const Attributes& a) {
                                  constexpr double kInfinity = math::detail::kInfinity;
                                  return math::Clip{detail::float_of(a, "low", -kInfinity),
                                                    detail::float_of(a, "high", kInfinity)};
                                }},
};

/// visit(function) for the function of `activation`, one of the types of math/activations.hpp.
/// Every visit returns the same type. Throws UnsupportedError for a name that is not there.
template <class Visit>
auto visit_activation(const ops::Activation& activation, Visit&& visit) {
  using Result = decltype(visit(math::Relu{}));
  std::string_view name = activation.name;
  if (name == "gelu" && activation.attributes.text("approximate", "none") == "tanh") {
    name = "gelu_tanh";
  }
  std::optional<Result> result;
  const auto try_one = [&](const auto& entry) {
    if (entry.name != name) return false;
    result.emplace(visit(entry.read(activation.attributes)));
    return true;
  };
  std::apply([&](const auto&... entry) { (void)(try_one(entry) || ...); }, kActivationEntries);
  if (!result) throw UnsupportedError("no activation '" + activation.name + "' is known");
  return std::move(*result);
}

/// The same for a name that epilogues use.
template <class Visit>
auto visit_activation(std::string_view name, Visit&& visit) {
  const ops::NamedActivation* row = ops::find_activation(name);
  if (row == nullptr) throw UnsupportedError("no activation '" + std::string(name) + "' is known");
  return visit_activation(row->make(), std::forward<Visit>(visit));
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::sdk
