#pragma once

#include "gemm.hpp"
#include "soma/sdk/backend.hpp"
#include "soma/sdk/ops/epilogue.hpp"

namespace soma::common {

/// What to do with the sums of a forward contraction, read from its op and its buffers.
class EpiloguePlan {
 public:
  EpiloguePlan() = default;
  /// Throws UnsupportedError for an activation that is not built in.
  explicit EpiloguePlan(const ops::Epilogue& epilogue);
  /// For outputs [rows, cols], dense.
  Product product(const sdk::Exec& exec, std::int64_t cols) const;

 private:
  int bias_ = -1, residual_ = -1;
  bool relu_ = false;
  PointwiseFunction activation_ = nullptr;
};

}  // namespace soma::common
