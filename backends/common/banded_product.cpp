#include "banded_product.hpp"

#include <bit>

#include "copy.hpp"
#include "schedule.hpp"

namespace soma::common {
namespace {

bool all_finite(const float* x, std::int64_t n) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t special = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    special |= (std::bit_cast<std::uint32_t>(x[i]) & kExponent) == kExponent ? 1u : 0u;
  }
  return special == 0;
}

}  // namespace

/// A packed piece of the right operand: some columns by some terms of one block.
struct BandedProduct::Stage {
  std::int64_t col = 0, cols = 0, panel_stride = 0;
  Range terms;
  bool first;   // no block has been added to the output yet
  bool finite;  // so that factors of 0 may stand for terms that take no part
};

BandedProduct::Range BandedProduct::terms_of(std::int64_t row) const {
  if (band.of == Band::Of::terms) return {0, std::clamp<std::int64_t>(row + band.shift, 0, terms)};
  if (band.of == Band::Of::row_terms) {
    return {std::clamp<std::int64_t>(row - band.shift + 1, 0, terms), terms};
  }
  return {0, terms};
}

std::int64_t BandedProduct::columns_of(std::int64_t row) const {
  return band.of == Band::Of::columns ? std::clamp<std::int64_t>(row + band.shift, 0, cols) : cols;
}

/// All that any of these rows takes; ranges grow or shrink steadily from row to row.
BandedProduct::Range BandedProduct::terms_of_rows(std::int64_t first, std::int64_t last) const {
  return {std::min(terms_of(first).begin, terms_of(last).begin),
          std::max(terms_of(first).end, terms_of(last).end)};
}

/// Fills scratch().b. Returns whether all of it is finite; only bands of terms ask.
bool BandedProduct::pack_right(std::int64_t col, std::int64_t cols_here, Range range,
                               std::int64_t panel_stride) const {
  const std::int64_t nr = micro_kernels().nr, count = range.end - range.begin;
  const std::int64_t panels = ceil_div(cols_here, nr);
  float* const packed = scratch().b;
  MatrixColumns(right, right_stride, right_along)
      .pack(col, cols_here, range.begin, count, packed, panel_stride);
  if (term_mask != nullptr) {
    for (std::int64_t k = 0; k < count; ++k) {
      if (term_mask[range.begin + k] != 0) continue;
      for (std::int64_t c = 0; c < panels; ++c) zero_floats(packed + c * panel_stride + k * nr, nr);
    }
  }
  if (band.of != Band::Of::terms && band.of != Band::Of::row_terms) return true;
  return all_finite(packed, panels * panel_stride);
}

void BandedProduct::run(std::int64_t begin, std::int64_t end) const {
  if (begin >= end || cols == 0) return;
  const MicroKernels& micro = micro_kernels();
  const std::int64_t nr = micro.nr;
  const Range all = terms_of_rows(begin, end - 1);
  if (all.begin >= all.end) {
    for (std::int64_t row = begin; row < end; ++row) zero_floats(out + row * out_stride, cols);
    return;
  }
  const std::int64_t last_col = columns_of(end - 1);
  const std::int64_t group = kColumnScratch / (std::min(all.end - all.begin, kBlock) * nr) * nr;
  const std::int64_t row_panels = ceil_div(end - begin, micro.mr);
  for (std::int64_t col = 0; col < last_col; col += group) {
    Stage stage{.col = col, .cols = std::min(group, last_col - col), .terms = {}};
    for (std::int64_t k = all.begin; k < all.end; k = stage.terms.end) {
      stage.terms = {k, std::min(all.end, (k / kBlock + 1) * kBlock)};
      stage.panel_stride = (stage.terms.end - k) * nr;
      stage.first = k == all.begin;
      stage.finite = pack_right(col, stage.cols, stage.terms, stage.panel_stride);
      for (std::int64_t r = 0; r < row_panels; ++r) {
        const std::int64_t first = begin + cut(end - begin, row_panels, r);
        run_rows(stage, first,
                 static_cast<int>(begin + cut(end - begin, row_panels, r + 1) - first));
      }
    }
  }
}

/// Adds the stage's block to the totals of one panel of rows, which are in the output itself.
void BandedProduct::run_rows(const Stage& stage, std::int64_t first, int count) const {
  const MicroKernels& micro = micro_kernels();
  const auto within = [&](Range range) {
    const std::int64_t begin = std::max(range.begin, stage.terms.begin);
    return Range{begin, std::max(begin, std::min(range.end, stage.terms.end))};
  };
  const Range range = within(terms_of_rows(first, first + count - 1));
  if (range.begin == range.end && !stage.first) return;
  const std::int64_t cols_end = std::min(stage.col + stage.cols, columns_of(first + count - 1));
  const std::int64_t panels = ceil_div(std::max<std::int64_t>(0, cols_end - stage.col), micro.nr);

  // Read in place where a panel serves few columns and its rows or terms do not compete for the
  // same cache sets.
  constexpr std::int64_t kFewPanels = 4;
  const MatrixRows source(left, left_stride, left_along);
  const bool by_rows = left_along == Along::terms;
  const bool in_place =
      panels <= kFewPanels && (by_rows ? left_stride % 512 != 0 : left_stride <= 256);
  Tile tile;
  if (in_place) {
    tile.a = by_rows ? left + first * left_stride + range.begin
                     : left + range.begin * left_stride + first;
    tile.a_step = left_stride;
  } else {
    float* const packed = scratch().a;
    source.pack(first, count, range.begin, range.end - range.begin, packed);
    tile.a = packed;
    tile.a_step = by_rows ? kRowStride : kColumnStride;
  }
  tile.first = stage.first;
  tile.total_stride = out_stride;

  const auto add = [&](std::int64_t row, int row_count, Range taken) {
    const std::int64_t offset = taken.begin - range.begin;
    Tile part = tile;
    part.a += (row - first) * (by_rows ? tile.a_step : 1);
    const Segment segment{offset * (by_rows ? 1 : tile.a_step), taken.begin - stage.terms.begin,
                          taken.end - taken.begin};
    part.segments = &segment;
    part.segment_count = 1;
    for (std::int64_t c = 0; c < panels; ++c) {
      const std::int64_t col = stage.col + c * micro.nr;
      part.b = scratch().b + c * stage.panel_stride;
      part.cols = static_cast<int>(std::min<std::int64_t>(micro.nr, stage.col + stage.cols - col));
      part.total = out + row * out_stride + col;
      micro.select(source.layout(), row_count, part.cols)(part);
    }
  };
  if (stage.finite) return add(first, count, range);
  for (std::int64_t row = first; row < first + count; ++row) add(row, 1, within(terms_of(row)));
}

}  // namespace soma::common
