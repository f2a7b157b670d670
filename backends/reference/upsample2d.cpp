#include "soma/sdk/ops/upsample2d.hpp"

#include "kernels.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma::reference {
namespace {

/// Letters as in the header.
struct Grid {
  using Taps = ops::Upsample2d::Taps;

  Grid(const Op& op, const Shape& x) : N(x[0]), H(x[1]), W(x[2]), C(x[3]) {
    const auto up = ops::Upsample2d::from(op.attributes);
    rows = ops::Upsample2d::all_taps(H, up.scale_h, up.bilinear);
    cols = ops::Upsample2d::all_taps(W, up.scale_w, up.bilinear);
    P = static_cast<std::int64_t>(rows.size());
    Q = static_cast<std::int64_t>(cols.size());
  }
  const Taps& row(std::int64_t p) const { return rows[static_cast<std::size_t>(p)]; }
  const Taps& col(std::int64_t q) const { return cols[static_cast<std::size_t>(q)]; }
  /// body(n, p, q) for every output pixel.
  template <class Body>
  void for_each(Body&& body) const {
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t p = 0; p < P; ++p) {
        for (std::int64_t q = 0; q < Q; ++q) body(n, p, q);
      }
    }
  }

  std::int64_t N, H, W, C, P, Q;
  std::vector<Taps> rows, cols;
};

template <class T>
T between(const Grid::Taps& taps, T first, T second) {
  return math::fma(taps.weight<T>(1), second, taps.weight<T>(0) * first);
}

template <class T>
class Forward final : public LoopKernel<T> {
 public:
  explicit Forward(const Op& op) : g_(op, op.in(0)) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* x = exec.input<T>(0);
    T* y = exec.output<T>(0);
    g_.for_each([&](std::int64_t n, std::int64_t p, std::int64_t q) {
      const Grid::Taps &row = g_.row(p), &col = g_.col(q);
      for (std::int64_t c = 0; c < g_.C; ++c) {
        const auto across = [&](std::int64_t h) {
          const T* at = x + ((n * g_.H + h) * g_.W + col.first) * g_.C + c;
          return col.two() ? between(col, at[0], at[g_.C]) : at[0];
        };
        *y++ =
            row.two() ? between(row, across(row.first), across(row.first + 1)) : across(row.first);
      }
    });
  }
  Grid g_;
};

template <class T>
class Backward final : public LoopKernel<T> {
 public:
  explicit Backward(const Op& op) : g_(op, op.out(0)) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad_y = exec.input<T>(0);
    T* grad_x = exec.output<T>(0);
    std::fill_n(grad_x, g_.N * g_.H * g_.W * g_.C, T(0));
    g_.for_each([&](std::int64_t n, std::int64_t p, std::int64_t q) {
      const Grid::Taps &row = g_.row(p), &col = g_.col(q);
      for (int r = 0; r < (row.two() ? 2 : 1); ++r) {
        for (int s = 0; s < (col.two() ? 2 : 1); ++s) {
          const T weight = row.weight<T>(r) * col.weight<T>(s);
          T* to = grad_x + ((n * g_.H + row.first + r) * g_.W + col.first + s) * g_.C;
          for (std::int64_t c = 0; c < g_.C; ++c) to[c] = math::fma(weight, grad_y[c], to[c]);
        }
      }
      grad_y += g_.C;
    });
  }
  Grid g_;
};

}  // namespace

std::span<const Entry> upsample2d_kernels() {
  static const Entry entries[] = {entry<Forward>(ops::Upsample2d::kForward),
                                  entry<Backward>(ops::Upsample2d::kBackward)};
  return entries;
}

}  // namespace soma::reference
