#pragma once

#include "activation.hpp"
#include "kernel_base.hpp"

namespace soma::common {

/// What the units of this folder offer for one instruction set.
struct CanonicalTable {
  std::span<const Entry> kernels;  ///< all families
  PointwiseFunction (*activation)(std::string_view name);
};
CanonicalTable canonical_table_avx2();
CanonicalTable canonical_table_avx512();

}  // namespace soma::common
