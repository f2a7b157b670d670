#include "soma/sdk/ops/embedding.hpp"

#include <algorithm>
#include <string>

#include "copy.hpp"
#include "kernel_base.hpp"
#include "lanes.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements, 64 KiB

std::int64_t rows_of_grain(std::int64_t width) {
  return std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, width));
}

void check_ids(const std::int32_t* ids, std::int64_t count, std::int64_t rows) {
  const auto limit = static_cast<std::uint32_t>(rows);
  bool outside = false;
  for (std::int64_t s = 0; s < count; ++s) outside |= static_cast<std::uint32_t>(ids[s]) >= limit;
  if (!outside) return;
  const auto* first = std::find_if(
      ids, ids + count, [&](std::int32_t id) { return static_cast<std::uint32_t>(id) >= limit; });
  throw ShapeError("embedding: id " + std::to_string(*first) + " at position " +
                   std::to_string(first - ids) + " is outside [0," + std::to_string(rows) + ")");
}

class EmbeddingKernel : public CanonicalKernel {
 protected:
  EmbeddingKernel(const Op& op, const Shape& table, const Parallel& parallel)
      : CanonicalKernel(parallel),
        rows_(table[0]),
        width_(table[1]),
        count_(op.in(1).elements()),
        padding_(ops::Embedding::from(op.attributes).padding_idx) {}

  std::int64_t rows_, width_, count_, padding_;
};

class EmbeddingForward final : public EmbeddingKernel {
 public:
  EmbeddingForward(const Op& op, const Parallel& parallel)
      : EmbeddingKernel(op, op.in(0), parallel) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* table = exec.input<float>(0);
    const auto* ids = exec.input<std::int32_t>(1);
    auto* y = exec.output<float>(0);
    check_ids(ids, count_, rows_);
    parallel().run(exec.threads(), count_, rows_of_grain(width_),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t s = begin; s < end; ++s) {
                       if (ids[s] == padding_) {
                         zero_floats(y + s * width_, width_);
                       } else {
                         copy_floats(table + ids[s] * width_, y + s * width_, width_);
                       }
                     }
                   });
  }
};

/// Sorts the positions by id, stably, so that each row of the gradient is one thread's sum in
/// ascending order.
class EmbeddingBackward final : public EmbeddingKernel {
 public:
  EmbeddingBackward(const Op& op, const Parallel& parallel)
      : EmbeddingKernel(op, op.out(0), parallel) {
    info_.workspace_bytes = static_cast<std::size_t>(rows_ + 1 + count_) * sizeof(std::int32_t);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* grad_y = exec.input<float>(0);
    const auto* ids = exec.input<std::int32_t>(1);
    auto* grad_table = exec.output<float>(0);
    check_ids(ids, count_, rows_);
    auto* ends = exec.workspace<std::int32_t>();  // of each row's positions, once they are sorted
    auto* positions = ends + rows_ + 1;
    std::fill_n(ends, rows_ + 1, 0);
    for (std::int64_t s = 0; s < count_; ++s) ++ends[ids[s] + 1];
    for (std::int64_t v = 0; v < rows_; ++v) ends[v + 1] += ends[v];
    for (std::int64_t s = 0; s < count_; ++s) {
      positions[ends[ids[s]]++] = static_cast<std::int32_t>(s);
    }
    parallel().run(exec.threads(), rows_, rows_of_grain(width_),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t v = begin; v < end; ++v) {
                       const std::int64_t first = v == 0 ? 0 : ends[v - 1];
                       sum_rows(grad_y, positions + first, v == padding_ ? 0 : ends[v] - first,
                                grad_table + v * width_);
                     }
                   });
  }
  void sum_rows(const float* grad_y, const std::int32_t* positions, std::int64_t count,
                float* to) const {
    if (count == 0) return zero_floats(to, width_);
    // +0 plus the first one is not that one where it is -0.
    const float* first = grad_y + positions[0] * width_;
    math::transform_as<Lanes>(first, to, width_, [](Lanes g) { return Lanes(0) + g; });
    for (std::int64_t i = 1; i < count; ++i) {
      math::transform_as<Lanes>(to, grad_y + positions[i] * width_, to, width_,
                                [](Lanes sum, Lanes g) { return sum + g; });
    }
  }
};

class CastKernel final : public CanonicalKernel {
 public:
  CastKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), n_(op.in(0).elements()) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    auto* y = exec.output<std::int32_t>(0);
    const auto is_index = [](float v) {
      return v >= 0 && v < 2147483648.0f && __builtin_truncf(v) == v;
    };
    const auto* bad = std::find_if_not(x, x + n_, is_index);
    if (bad != x + n_) {
      throw ShapeError("cast: expected whole numbers in [0,2^31), got " + std::to_string(*bad) +
                       " at position " + std::to_string(bad - x));
    }
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) y[i] = static_cast<std::int32_t>(x[i]);
    });
  }
  std::int64_t n_;
};

template <class K>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<K>(op, parallel);
}

}  // namespace

std::span<const Entry> embedding_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Embedding::kForward, &make<EmbeddingForward>},
      {ops::Embedding::kBackward, &make<EmbeddingBackward>},
      {ops::Cast::kForward, &make<CastKernel>},
  };
  return kEntries;
}

}  // namespace soma::common
