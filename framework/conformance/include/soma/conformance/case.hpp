#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "soma/sdk/op.hpp"

namespace soma::conformance {

/// How the ordinary values of a case are spread.
enum class Spread {
  unit,    ///< within [-1, 1), many magnitudes
  wide,    ///< times 1000: saturated logits, large pre-activations
  offset,  ///< unit plus 0.25, so that a relu leaves most elements alive
  tiny     ///< times 1e-20: products are subnormal
};

/// One op on one set of shapes. The list of cases drives correctness, bit equality and speed.
struct Case {
  std::string family;  ///< "linear", "conv2d", ...: the file the case lives in
  std::string name;    ///< unique within its family, letters, digits and '_' only
  Op op;
  Spread spread = Spread::unit;

  /// "linear/fwd_k_513", what --case takes.
  std::string id() const { return family + "/" + name; }
};

void PrintTo(const Case& c, std::ostream* out);

/// All cases, family by family. Every id of soma/sdk/ops appears. Built once, immutable.
const std::vector<Case>& cases();

/// The names of the families in the order of cases().
const std::vector<std::string>& families();

/// True if the op sums products: linear, matmul or conv2d, in any direction.
bool is_contraction(const Op& op);

}  // namespace soma::conformance
