#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel_base.hpp"
#include "lanes.hpp"
#include "matrix_source.hpp"
#include "soma/sdk/math/functions.hpp"

/// What the recurrent families share. Letters as in soma/sdk/ops/recurrent.hpp.
namespace soma::common {

/// The order of a sequence's steps.
struct Sequence {
  std::int64_t n, t, h;
  bool reverse;

  /// The t of the step taken as number s.
  std::int64_t at(std::int64_t s) const { return reverse ? t - 1 - s : s; }
  /// What lies before step s of sequence `row` in `states` [N,T,H], which start from `initial`.
  const float* before(const float* initial, const float* states, std::int64_t s,
                      std::int64_t row) const {
    return s == 0 ? initial + row * h : states + (row * t + at(s - 1)) * h;
  }
};

/// The left operand of one step's product: row n at data + n * stride; data null for no product,
/// whose sums are +0.
struct StepRows {
  const float* data = nullptr;
  std::int64_t stride = 0;
};

/// A few rows of the batch by a few units of each column group.
struct StepPart {
  std::int64_t first_row, rows;
  std::int64_t first_unit, units;
};

/// The sums of a part: row i, unit j of group g lies at data[(g * rows + i) * stride + j].
struct StepSums : StepPart {
  const float* data;
  std::int64_t stride;

  const float* row(std::int64_t i, std::int64_t group = 0) const {
    return data + (group * rows + i) * stride;
  }
};

/// What a recurrent op does at each step besides the product. A step may read what earlier steps
/// wrote for all units of a row, and of its own step only its own units.
class RecurrentSteps {
 public:
  virtual ~RecurrentSteps() = default;
  virtual StepRows left(std::int64_t s) const = 0;
  /// Asks the cache for what finish() will read or write of this part and only one group: a step
  /// meets a few cache lines of each row, far apart, which no hardware guesses. Called while the
  /// sums are on their way.
  virtual void fetch(std::int64_t /*s*/, std::int64_t /*group*/, const StepPart& /*part*/) const {}
  virtual void finish(std::int64_t s, const StepSums& sums) const = 0;
};

/// Asks for n floats at p, to be read or written soon, as far as the second-level cache: they wait
/// there without displacing the operands of the product.
inline void fetch_floats(const float* p, std::int64_t n) {
  constexpr std::int64_t kLine = 16;
  for (std::int64_t i = 0; i < n; i += kLine) __builtin_prefetch(p + i, 0, 2);
}

/// The product of all steps with packed recurrent weights: in `groups` groups of `units` columns,
/// each the sum of `terms` terms. Tasks take rows through the whole sequence where there are enough
/// rows for all threads, else units of one step after the other. Immutable.
class RecurrentProduct {
 public:
  RecurrentProduct(std::int64_t rows, std::int64_t units, std::int64_t groups, std::int64_t terms)
      : rows_(rows), units_(units), groups_(groups), terms_(terms) {}
  std::size_t pack_bytes() const;
  /// Fills pack_bytes() from u. Along::terms: column c, term k at u[c * terms + k]; Along::outer,
  /// for one group: at u[k * units + c].
  void pack(const Parallel& parallel, int threads, const float* u, Along along,
            float* packed) const;
  /// Takes the steps 0, 1, ..., count - 1.
  void run(const Parallel& parallel, int threads, std::int64_t count, const float* packed,
           const RecurrentSteps& steps) const;

 private:
  struct Part;
  std::int64_t panels() const;
  void run_part(std::int64_t s, const Part& part, const float* packed,
                const RecurrentSteps& steps) const;

  std::int64_t rows_, units_, groups_, terms_;
};

/// grad_u [groups*H,H]: the sum over the rows (n, t) of du [N,T,groups*H] times the state before.
class RecurrentWeights {
 public:
  RecurrentWeights(const Sequence& sequence, std::int64_t groups);
  std::size_t workspace_bytes() const { return gemm_.workspace_bytes(false); }
  void run(const Parallel& parallel, int threads, const float* du, const float* h0, const float* h,
           float* grad_u, void* workspace) const;

 private:
  Sequence sequence_;
  std::int64_t columns_;
  Gemm gemm_;
};

/// y' = y (1 - y) for a sigmoid and 1 - y y for a tanh of value y.
inline Lanes sigmoid_slope(Lanes y) { return y * (Lanes(1) - y); }
inline Lanes tanh_slope(Lanes y) { return fma(-y, y, Lanes(1)); }

std::span<const Entry> rnn_kernels();
std::span<const Entry> lstm_kernels();
std::span<const Entry> gru_kernels();

}  // namespace soma::common
