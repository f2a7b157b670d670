#pragma once

#include <algorithm>
#include <cstdint>

#include "matrix_source.hpp"

namespace soma::common {

/// Which pairs (row, term) or (row, column) of a product count, where later rows see more.
struct Band {
  enum class Of {
    nothing,   ///< all count
    columns,   ///< row r needs only its columns below r + shift
    terms,     ///< row r takes only the terms below r + shift
    row_terms  ///< row r takes only the terms from r - shift + 1 on: the transpose of `terms`
  };
  Of of = Of::nothing;
  std::int64_t shift = 0;
};

/// One product out[r,c] = sum over k of left[r,k] * right[k,c] in canonical order (numerics.md, 1)
/// for a single task: it runs on the calling thread and uses its scratch. Terms outside the band
/// are skipped, whatever the operands hold there; columns outside it may be left as they are.
struct BandedProduct {
  std::int64_t cols = 0, terms = 0;
  const float* left = nullptr;
  std::int64_t left_stride = 0;
  Along left_along = Along::terms;
  const float* right = nullptr;
  std::int64_t right_stride = 0;
  Along right_along = Along::outer;
  Band band;
  /// [terms], or null: terms of 0 take no part. Their left factors must be 0.
  const std::int32_t* term_mask = nullptr;
  float* out = nullptr;
  std::int64_t out_stride = 0;

  /// Computes the rows [begin, end). Overwrites scratch().b and the first kLeftScratch floats of
  /// scratch().a.
  void run(std::int64_t begin, std::int64_t end) const;

  static constexpr std::int64_t kLeftScratch = 16 * kBlock;

 private:
  struct Range {
    std::int64_t begin, end;
  };
  struct Stage;
  Range terms_of(std::int64_t row) const;
  std::int64_t columns_of(std::int64_t row) const;
  Range terms_of_rows(std::int64_t first, std::int64_t last) const;
  bool pack_right(std::int64_t col, std::int64_t cols, Range terms,
                  std::int64_t panel_stride) const;
  void run_rows(const Stage& stage, std::int64_t first, int count) const;
};

}  // namespace soma::common
