#pragma once

#include <cstddef>
#include <cstdint>

#include "gemm_micro.hpp"
#include "parallel.hpp"

namespace soma::common {

/// The product out[m,n] = sum over k of a[m,k] * b[k,n] in canonical order (numerics.md, 1), for
/// operands that are packed on the fly: matrices, their transposes, and the taps of a convolution
/// that never exist as a matrix. Letters: M rows, N columns, K terms; a block is kBlock terms.

/// Floats between two rows of a packed left panel in layout rows: one block and one cache line
/// more, so that the rows of a panel do not fall into the same cache sets.
inline constexpr std::int64_t kRowStride = kBlock + 16;
/// Floats between two terms of a packed left panel in layout columns.
inline constexpr std::int64_t kColumnStride = 16;

/// Left operand.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual PanelLayout layout() const = 0;
  /// Writes rows [m, m + rows), terms [k, k + kc) of one block to `panel` in the given layout, with
  /// kRowStride or kColumnStride.
  virtual void pack(std::int64_t m, int rows, std::int64_t k, std::int64_t kc,
                    float* panel) const = 0;
  /// Packs `count` panels, panel i of rows [bounds[i], bounds[i + 1]), `panel_stride` floats apart.
  virtual void pack_panels(const std::int64_t* bounds, std::int64_t count, std::int64_t k,
                           std::int64_t kc, float* panels, std::int64_t panel_stride) const {
    for (std::int64_t i = 0; i < count; ++i) {
      pack(bounds[i], static_cast<int>(bounds[i + 1] - bounds[i]), k, kc,
           panels + i * panel_stride);
    }
  }
  /// Where row m, term k lies if the operand can as well be read without packing, with the step of
  /// its layout in *step; else null. Used where a panel would be read only a few times.
  virtual const float* in_place(std::int64_t /*m*/, std::int64_t /*k*/,
                                std::int64_t* /*step*/) const {
    return nullptr;
  }
};

/// Right operand.
class ColumnSource {
 public:
  virtual ~ColumnSource() = default;
  /// Writes terms [k, k + kc) of one block, columns [n, n + cols), to panels of [kc, nr] that are
  /// `panel_stride` floats apart; nr is that of micro_kernels(), columns of the last panel beyond
  /// `cols` become zero.
  virtual void pack(std::int64_t n, std::int64_t cols, std::int64_t k, std::int64_t kc,
                    float* panels, std::int64_t panel_stride) const = 0;
};

/// A pointwise function applied to finished sums; null for none.
using PointwiseFunction = void (*)(const float* x, float* y, std::int64_t n);

/// Where the product goes; the pointers describe the whole [M,N].
struct Product {
  TileFinish finish;
  PointwiseFunction activation = nullptr;  ///< after `finish`, e.g. a sigmoid
};

/// A product of one size, scheduled. Immutable.
class Gemm {
 public:
  enum class Schedule {
    shared_b,   ///< b is packed as a whole, by the caller or into the workspace:
                ///< tall products
    private_b,  ///< each task packs the columns it needs, while they are hot:
                ///< short products
    split_k,    ///< blocks in parallel, their sums kept in the workspace: small,
                ///< deep products
  };

  Gemm() = default;
  Gemm(std::int64_t m, std::int64_t n, std::int64_t k, Schedule schedule, bool accumulate);
  /// shared_b where packing b once pays, else private_b.
  static Schedule choose(std::int64_t m);
  /// The same, or split_k for few outputs of many terms, as weight gradients have.
  static Schedule choose_deep(std::int64_t m, std::int64_t n, std::int64_t k);

  /// Of a packed b.
  std::size_t pack_bytes() const;
  /// Scratch of run(); `packed` tells whether b will come packed.
  std::size_t workspace_bytes(bool packed) const;

  std::int64_t blocks() const { return k_ == 0 ? 1 : (k_ + kBlock - 1) / kBlock; }
  std::int64_t block_terms(std::int64_t block) const;
  std::int64_t column_panels() const;
  /// So few multiply-adds that they are better done on the calling thread.
  bool is_small() const;
  /// Block `block` of column panel `panel` within a packed b.
  const float* panel(const float* packed, std::int64_t block, std::int64_t panel) const {
    return packed + panel_offset(block, panel);
  }

  /// Fills pack_bytes() at `packed`.
  void pack_b(const Parallel& parallel, int threads, const ColumnSource& b, float* packed) const;
  /// out = a * b, finished as `product` says. With `packed` (shared_b only) b is not used. split_k
  /// takes of `product` only where the output is and whether to accumulate.
  void run(const Parallel& parallel, int threads, const RowSource& a, const ColumnSource& b,
           const float* packed, const Product& product, void* workspace) const;

 private:
  struct Region;
  void run_region(const Region& region, const RowSource& a, const ColumnSource& b,
                  const float* packed, const Product& product, float* totals) const;
  void run_split(const Parallel& parallel, int threads, const RowSource& a, const ColumnSource& b,
                 const Product& product, float* sums) const;
  static void run_tile(Tile tile, PanelLayout layout, std::int64_t m, int rows, std::int64_t n,
                       bool last, const Product& product);
  std::int64_t row_panels() const;
  std::int64_t panel_offset(std::int64_t block, std::int64_t panel) const;

  std::int64_t m_ = 0, n_ = 0, k_ = 0;
  Schedule schedule_ = Schedule::private_b;
  bool accumulate_ = false;
};

}  // namespace soma::common
