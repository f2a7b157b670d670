#include "soma/sdk/ops/embedding.hpp"

#include <algorithm>

#include "kernels.hpp"

namespace soma::reference {
namespace {

// Letters as in the header: V rows in the table, D numbers a row.

/// Throws ShapeError at the first id outside [0, V).
void check_ids(const std::int32_t* ids, std::int64_t count, std::int64_t V) {
  for (std::int64_t s = 0; s < count; ++s) {
    if (ids[s] < 0 || ids[s] >= V) {
      throw ShapeError("embedding: id " + std::to_string(ids[s]) + " at position " +
                       std::to_string(s) + " is outside [0," + std::to_string(V) + ")");
    }
  }
}

template <class T>
class EmbeddingForward final : public LoopKernel<T> {
 public:
  explicit EmbeddingForward(const Op& op)
      : v_(op.in(0)[0]),
        d_(op.in(0)[1]),
        count_(op.in(1).elements()),
        padding_(ops::Embedding::from(op.attributes).padding_idx) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* table = exec.input<T>(0);
    const std::int32_t* ids = exec.input<std::int32_t>(1);
    T* y = exec.output<T>(0);
    check_ids(ids, count_, v_);
    for (std::int64_t s = 0; s < count_; ++s, y += d_) {
      if (ids[s] == padding_) {
        std::fill_n(y, d_, T(0));
      } else {
        std::copy_n(table + ids[s] * d_, d_, y);
      }
    }
  }
  std::int64_t v_, d_, count_, padding_;
};

template <class T>
class EmbeddingBackward final : public LoopKernel<T> {
 public:
  explicit EmbeddingBackward(const Op& op)
      : v_(op.out(0)[0]),
        d_(op.out(0)[1]),
        count_(op.in(1).elements()),
        padding_(ops::Embedding::from(op.attributes).padding_idx) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad_y = exec.input<T>(0);
    const std::int32_t* ids = exec.input<std::int32_t>(1);
    T* grad_table = exec.output<T>(0);
    check_ids(ids, count_, v_);
    std::fill_n(grad_table, v_ * d_, T(0));
    for (std::int64_t s = 0; s < count_; ++s) {
      if (ids[s] == padding_) continue;
      for (std::int64_t d = 0; d < d_; ++d) grad_table[ids[s] * d_ + d] += grad_y[s * d_ + d];
    }
  }
  std::int64_t v_, d_, count_, padding_;
};

template <class T>
class Cast final : public LoopKernel<T> {
 public:
  explicit Cast(const Op& op) : elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* x = exec.input<T>(0);
    std::int32_t* y = exec.output<std::int32_t>(0);
    for (std::int64_t i = 0; i < elements_; ++i) {
      const bool fits = x[i] >= 0 && x[i] < T(2147483648.0);
      if (!fits || static_cast<T>(static_cast<std::int32_t>(x[i])) != x[i]) {
        throw ShapeError("cast: expected whole numbers in [0,2^31), got " + std::to_string(x[i]) +
                         " at position " + std::to_string(i));
      }
    }
    for (std::int64_t i = 0; i < elements_; ++i) y[i] = static_cast<std::int32_t>(x[i]);
  }
  std::int64_t elements_;
};

}  // namespace

std::span<const Entry> embedding_kernels() {
  static const Entry entries[] = {entry<EmbeddingForward>(ops::Embedding::kForward),
                                  entry<EmbeddingBackward>(ops::Embedding::kBackward),
                                  entry<Cast>(ops::Cast::kForward)};
  return entries;
}

}  // namespace soma::reference
