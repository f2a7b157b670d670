#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

/// The canonical contraction (numerics.md, rule 1), on which linear, matmul and conv2d stand:
///
///   total[row, column] = sum over k of a(row, k) * b(k, column)
///
/// in blocks of 512 absolute terms k: each block an fma chain from +0, the blocks added in
/// ascending order to a total that starts at +0.
///
/// One block of b for a few columns is copied into a Panel; a Tile holds the block sums of a few
/// rows by these columns and takes runs of terms in ascending k. A term that does not take part is
/// simply never added. No output depends on how rows and columns are cut.
namespace soma::reference {

inline constexpr std::int64_t kBlock = 512;  // terms between two additions to the total
inline constexpr std::int64_t kRows = 4;     // of a tile; with kColumns it fills the registers
template <class T>
inline constexpr std::int64_t kColumns = 64 / sizeof(T);

/// b(k, column) for the terms [begin, end) of one block and the columns [column, column + columns).
template <class T>
struct Panel {
  std::int64_t begin = 0, end = 0;
  std::int64_t column = 0, columns = 0;       // columns <= kColumns
  alignas(64) T values[kBlock][kColumns<T>];  // [k - begin][column], zero beyond `columns`
};

/// Calls body(panel) for each block of [0, depth) ascending and in it for each few columns.
/// term(k) is the address of b(k, 0); the columns of one term lie column_step apart.
template <class T, class Term, class Body>
void for_each_panel(std::int64_t depth, std::int64_t columns, Term&& term, std::int64_t column_step,
                    Body&& body) {
  Panel<T> panel;
  for (panel.begin = 0; panel.begin < depth; panel.begin += kBlock) {
    panel.end = std::min(panel.begin + kBlock, depth);
    for (panel.column = 0; panel.column < columns; panel.column += kColumns<T>) {
      panel.columns = std::min(kColumns<T>, columns - panel.column);
      for (std::int64_t k = panel.begin; k < panel.end; ++k) {
        const T* from = term(k) + panel.column * column_step;
        T* to = panel.values[k - panel.begin];
        if (column_step == 1 && panel.columns == kColumns<T>) {
          for (std::int64_t j = 0; j < kColumns<T>; ++j) to[j] = from[j];
          continue;
        }
        for (std::int64_t j = 0; j < panel.columns; ++j) to[j] = from[j * column_step];
        std::fill(to + panel.columns, to + kColumns<T>, T(0));
      }
      body(static_cast<const Panel<T>&>(panel));
    }
  }
}

/// The block sums of up to kRows rows by the columns of a panel; they start at +0.
template <class T>
class Tile {
 public:
  /// Adds the terms [k, k + count) of the panel to rows [first, first + rows):
  /// a(first + i, k + j) = a[i * row_step + j * term_step]. Calls come in ascending k for each row.
  void add(const Panel<T>& panel, std::int64_t first, std::int64_t rows, std::int64_t k,
           std::int64_t count, const T* a, std::int64_t row_step, std::int64_t term_step) {
    const auto* b = &panel.values[k - panel.begin];
    auto* sums = &sums_[first];
    static_assert(kRows == 4);
    switch (rows) {
      case 1:
        return fma_chain<1>(b, count, a, row_step, term_step, sums);
      case 2:
        return fma_chain<2>(b, count, a, row_step, term_step, sums);
      case 3:
        return fma_chain<3>(b, count, a, row_step, term_step, sums);
      case 4:
        return fma_chain<4>(b, count, a, row_step, term_step, sums);
      default:
        return;
    }
  }

  /// Ends the block: adds its sums to totals[i * row_step + panel.column + j], for i < rows.
  void finish(const Panel<T>& panel, std::int64_t rows, T* totals, std::int64_t row_step) const {
    for (std::int64_t i = 0; i < rows; ++i) {
      T* total = totals + i * row_step + panel.column;
      for (std::int64_t j = 0; j < panel.columns; ++j) total[j] += sums_[i][j];
    }
  }

 private:
  using Row = T[kColumns<T>];

  // The unrolled loops have constant trip counts, so that `sum` lives in vector registers.
  template <int rows>
  static void fma_chain(const Row* b, std::int64_t count, const T* a, std::int64_t row_step,
                        std::int64_t term_step, Row* sums) {
    T sum[rows][kColumns<T>];
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < kColumns<T>; ++j) sum[i][j] = sums[i][j];
    }
    for (std::int64_t k = 0; k < count; ++k) {
#pragma GCC unroll 4
      for (int i = 0; i < rows; ++i) {
        const T a_ik = a[i * row_step + k * term_step];
#pragma GCC unroll 16
        for (int j = 0; j < kColumns<T>; ++j) sum[i][j] = std::fma(a_ik, b[k][j], sum[i][j]);
      }
    }
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < kColumns<T>; ++j) sums[i][j] = sum[i][j];
    }
  }

  alignas(64) T sums_[kRows][kColumns<T>] = {};
};

/// A matrix in memory: element (row, column) = data[row * row_step + column * column_step].
template <class T>
struct Matrix {
  const T* data;
  std::int64_t row_step, column_step;
};

/// totals [rows, columns], overwritten, = a (rows x depth) * b (depth x columns).
template <class T>
void contract(std::int64_t rows, std::int64_t columns, std::int64_t depth, Matrix<T> a, Matrix<T> b,
              T* totals) {
  std::fill_n(totals, rows * columns, T(0));
  for_each_panel<T>(
      depth, columns, [&](std::int64_t k) { return b.data + k * b.row_step; }, b.column_step,
      [&](const Panel<T>& panel) {
        for (std::int64_t row = 0; row < rows; row += kRows) {
          const std::int64_t count = std::min(kRows, rows - row);
          Tile<T> tile;
          tile.add(panel, 0, count, panel.begin, panel.end - panel.begin,
                   a.data + row * a.row_step + panel.begin * a.column_step, a.row_step,
                   a.column_step);
          tile.finish(panel, count, totals + row * columns, columns);
        }
      });
}

}  // namespace soma::reference
