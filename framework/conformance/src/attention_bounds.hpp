#pragma once

#include <cstdint>
#include <vector>

#include "bound_tools.hpp"
#include "soma/conformance/bounds.hpp"
#include "soma/sdk/ops/attention.hpp"

namespace soma::conformance {

/// Operands of an attention as float64, head by head.
struct AttentionHeads {
  ops::Attention::Layout l;
  std::vector<std::vector<double>> inputs;
  std::vector<std::int32_t> key_mask;

  AttentionHeads(const Op& op, const Operands& operands) : l(ops::Attention::layout(op)) {
    for (const Array& a : operands.inputs) {
      if (a.info.dtype == DType::i32) {
        key_mask.assign(a.as<std::int32_t>().begin(), a.as<std::int32_t>().end());
      } else {
        inputs.push_back(doubles(a));
      }
    }
  }

  bool visible(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return j < l.visible_end(i) &&
           (key_mask.empty() || key_mask[static_cast<std::size_t>(b * l.keys + j)] != 0);
  }
  /// Where row t of one head starts in its operand.
  std::size_t row(const ops::Attention::Layout::Place& place, std::int64_t b, std::int64_t h,
                  std::int64_t t, std::int64_t width) const {
    return static_cast<std::size_t>(place.at(b, h, width) + t * place.stride);
  }
  const double* at(const ops::Attention::Layout::Place& place, std::int64_t b, std::int64_t h,
                   std::int64_t t, std::int64_t width) const {
    return inputs[static_cast<std::size_t>(place.operand)].data() + row(place, b, h, t, width);
  }
  std::size_t pair(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) const {
    return static_cast<std::size_t>(((b * l.heads + h) * l.queries + i) * l.keys + j);
  }
};

/// FamilyRules::bound of attention/1.
void bound_attention(const Oracle& oracle, const Op& op, const Operands& operands, Fill fill,
                     std::vector<Expected>& result);

}  // namespace soma::conformance
