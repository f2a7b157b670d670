#pragma once

#include "gemm.hpp"

namespace soma::common {

/// The direction in which a matrix is contiguous in memory.
enum class Along {
  terms,  ///< along k: element (outer, k) at outer * stride + k
  outer,  ///< along rows or columns of the product: element (outer, k) at k *
          ///< stride + outer
};

/// A matrix as the left operand.
class MatrixRows final : public RowSource {
 public:
  MatrixRows(const float* a, std::int64_t stride, Along along)
      : a_(a), stride_(stride), along_(along) {}
  PanelLayout layout() const override {
    return along_ == Along::terms ? PanelLayout::rows : PanelLayout::columns;
  }
  void pack(std::int64_t m, int rows, std::int64_t k, std::int64_t kc, float* panel) const override;
  void pack_panels(const std::int64_t* bounds, std::int64_t count, std::int64_t k, std::int64_t kc,
                   float* panels, std::int64_t panel_stride) const override;
  const float* in_place(std::int64_t m, std::int64_t k, std::int64_t* step) const override;

 private:
  const float* a_;
  std::int64_t stride_;
  Along along_;
};

/// A matrix as the right operand.
class MatrixColumns final : public ColumnSource {
 public:
  MatrixColumns(const float* b, std::int64_t stride, Along along)
      : b_(b), stride_(stride), along_(along) {}
  void pack(std::int64_t n, std::int64_t cols, std::int64_t k, std::int64_t kc, float* panels,
            std::int64_t panel_stride) const override;

 private:
  const float* b_;
  std::int64_t stride_;
  Along along_;
};

/// Packs columns that are contiguous in k, column n at b + n * stride, as ColumnSource::pack does.
void pack_transposed(const float* b, std::int64_t stride, std::int64_t cols, std::int64_t kc,
                     float* panels, std::int64_t panel_stride);
/// Packs terms that are contiguous in n, term k at b + k * stride, as ColumnSource::pack does.
void pack_contiguous(const float* b, std::int64_t stride, std::int64_t cols, std::int64_t kc,
                     float* panels, std::int64_t panel_stride);

}  // namespace soma::common
