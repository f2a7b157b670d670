#pragma once

#include "bound_tools.hpp"
#include "family.hpp"

/// What the rules of arithmetic and of arrangement share.
namespace soma::conformance {

/// The rules of multiply, subtract, scale, the broadcasts and the reductions over an axis.
std::span<const FamilyRules> arithmetic_rules();

constexpr Differentiation::Feed fed_input(int i) { return {Differentiation::Feed::From::input, i}; }
constexpr Differentiation::Feed fed_output(int i) {
  return {Differentiation::Feed::From::output, i};
}
constexpr Differentiation::Feed cotangent() { return {Differentiation::Feed::From::cotangent, 0}; }

inline bool is_forward(const Op& op) { return op.direction() == "fwd"; }
inline bool always(const Op&) { return true; }
inline bool backward_only(const Case& c) { return !is_forward(c.op); }
inline std::vector<FamilyRules::InPlace> first_input(const Op&) { return {{{0, 0}}}; }

/// The first axis of every operand but those of lower rank or extent 1, which all items share.
inline ItemAxes batch_items(const Op& op) {
  if (op.in(0).rank() == 0 || op.out(0).rank() == 0 || op.in(0)[0] != op.out(0)[0]) return {};
  ItemAxes axes;
  for (std::size_t i = 0; i < op.inputs.size(); ++i) {
    if (op.in(i).rank() < op.in(0).rank() && op.direction() == "fwd") continue;
    if (op.in(i)[0] != op.in(0)[0]) continue;
    axes.inputs.emplace_back(static_cast<int>(i), 0);
  }
  for (int o = 0; o < static_cast<int>(op.outputs.size()); ++o) {
    axes.outputs.emplace_back(o, 0);
    axes.item_outputs.push_back(o);
  }
  return axes;
}

}  // namespace soma::conformance
