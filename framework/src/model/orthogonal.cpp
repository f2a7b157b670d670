#include <cmath>
#include <vector>

#include "model/init.hpp"

namespace soma {
namespace {

/// A matrix by columns.
class Columns {
 public:
  Columns(std::size_t rows, std::size_t columns) : rows_(rows), values_(rows * columns) {}
  double* operator[](std::size_t column) { return values_.data() + column * rows_; }

 private:
  std::size_t rows_;
  std::vector<double> values_;
};

/// x <- x - (2 v.x / v.v) v over the elements from `first` on.
void reflect(const double* v, double length_squared, std::size_t first, std::size_t rows,
             double* x) {
  double dot = 0;
  for (std::size_t i = first; i < rows; ++i) dot += v[i] * x[i];
  const double factor = 2 * dot / length_squared;
  for (std::size_t i = first; i < rows; ++i) x[i] -= factor * v[i];
}

}  // namespace

// Source: Golub & Van Loan, Matrix Computations, 4th ed., algorithm 5.2.1, and 5.1.6 for Q.
void make_orthogonal(std::span<float> to, std::int64_t rows, std::int64_t columns, double gain) {
  const bool tall = rows >= columns;
  const auto m = static_cast<std::size_t>(tall ? rows : columns);
  const auto n = static_cast<std::size_t>(tall ? columns : rows);
  const auto at = [&](std::size_t i, std::size_t j) -> float& {
    return to[tall ? i * n + j : j * m + i];
  };
  Columns a(m, n), q(m, n);
  std::vector<double> length_squared(n), sign(n);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < m; ++i) a[j][i] = static_cast<double>(at(i, j));
  }
  // Column j becomes the vector of its reflection, from row j on.
  for (std::size_t j = 0; j < n; ++j) {
    double* v = a[j];
    double squares = 0;
    for (std::size_t i = j; i < m; ++i) squares += v[i] * v[i];
    const double norm = std::sqrt(squares), head = v[j];
    const double diagonal = head < 0 ? norm : -norm;  // of R
    sign[j] = diagonal < 0 ? -1 : 1;
    v[j] = head - diagonal;
    length_squared[j] = squares - head * head + v[j] * v[j];
    if (length_squared[j] == 0) continue;  // a column of zeros: no reflection
    for (std::size_t k = j + 1; k < n; ++k) reflect(v, length_squared[j], j, m, a[k]);
  }
  for (std::size_t j = 0; j < n; ++j) {
    double* column = q[j];
    column[j] = sign[j];
    for (std::size_t k = j + 1; k-- > 0;) {
      if (length_squared[k] != 0) reflect(a[k], length_squared[k], k, m, column);
    }
    for (std::size_t i = 0; i < m; ++i) at(i, j) = static_cast<float>(gain * column[i]);
  }
}

}  // namespace soma
