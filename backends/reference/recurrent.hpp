#pragma once

#include <cstdint>
#include <span>

#include "contract.hpp"
#include "kernels.hpp"

/// What the recurrent families share. Letters as in soma/sdk/ops/recurrent.hpp.
namespace soma::reference {

/// The order of a sequence's steps and the rows that lie before each.
template <class T>
struct Sequence {
  std::int64_t n, t, h;
  bool reverse;

  /// The t of the step taken as number s.
  std::int64_t at(std::int64_t s) const { return reverse ? t - 1 - s : s; }
  /// What lies before step s of `states` [N,T,H], which start from `initial` [N,H]: element (n, j).
  Matrix<T> before(const T* initial, const T* states, std::int64_t s) const {
    if (s == 0) return {initial, h, 1};
    return {states + at(s - 1) * h, t * h, 1};
  }
};

/// grad_u [gates*H,H]: the sum over the rows (n, t) of du [N,T,gates*H] times the state before.
template <class T>
void recurrent_weights(const Sequence<T>& q, std::int64_t gates, const T* du, const T* h0,
                       const T* h, T* grad_u) {
  const std::int64_t rows = gates * q.h;
  const auto before = [&](std::int64_t k) {
    const std::int64_t n = k / q.t, t = k % q.t;
    if (t == q.at(0)) return h0 + n * q.h;
    return h + (q.reverse ? k + 1 : k - 1) * q.h;
  };
  std::fill_n(grad_u, rows * q.h, T(0));
  for_each_panel<T>(q.n * q.t, q.h, before, 1, [&](const Panel<T>& panel) {
    for (std::int64_t row = 0; row < rows; row += kRows) {
      const std::int64_t count = std::min(kRows, rows - row);
      Tile<T> tile;
      tile.add(panel, 0, count, panel.begin, panel.end - panel.begin, du + panel.begin * rows + row,
               1, rows);
      tile.finish(panel, count, grad_u + row * q.h, q.h);
    }
  });
}

std::span<const Entry> rnn_kernels();
std::span<const Entry> lstm_kernels();
std::span<const Entry> gru_kernels();

}  // namespace soma::reference
