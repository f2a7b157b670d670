#include <algorithm>

#include "copy.hpp"
#include "kernel_base.hpp"
#include "soma/sdk/ops/arrangement.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kTile = 32;      // rows and columns of a transposed tile
constexpr std::int64_t kGrain = 16384;  // elements, 64 KiB

/// One axis of the result: its extent and how far apart its elements are in x and in y.
struct Axis {
  std::int64_t extent, in_stride, out_stride;
};

/// The axes in the order of y, without those of extent 1, neighbours in both tensors joined.
std::vector<Axis> joined_axes(const Op& op) {
  const std::vector<int> order = ops::Permute::from(op.attributes).order;
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int64_t extent = op.out(0)[static_cast<int>(i)];
    if (extent == 1) continue;
    const Axis axis{extent, op.in(0).elements_from(order[i] + 1),
                    op.out(0).elements_from(static_cast<int>(i) + 1)};
    if (!axes.empty() && axes.back().in_stride == extent * axis.in_stride) {
      axes.back() = {axes.back().extent * extent, axis.in_stride, axis.out_stride};
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.empty()) axes.push_back({1, 1, 1});
  return axes;
}

/// to[j * out_stride + i] = from[i * in_stride + j] for i, j in [0, 8).
void transpose_8x8(const float* from, std::int64_t in_stride, float* to, std::int64_t out_stride) {
  __m256 r[8], s[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * in_stride);
  for (int i = 0; i < 8; i += 2) {
    s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xEE);
    r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xEE);
  }
  for (int j = 0; j < 4; ++j) {
    _mm256_storeu_ps(to + j * out_stride, _mm256_permute2f128_ps(r[j], r[j + 4], 0x20));
    _mm256_storeu_ps(to + (j + 4) * out_stride, _mm256_permute2f128_ps(r[j], r[j + 4], 0x31));
  }
}

/// to[j * out_stride + i] = from[i * in_stride + j] for i in [0, rows), j in [0, cols).
void transpose(const float* from, std::int64_t in_stride, std::int64_t rows, std::int64_t cols,
               float* to, std::int64_t out_stride) {
  const std::int64_t whole_rows = rows / 8 * 8, whole_cols = cols / 8 * 8;
  for (std::int64_t i = 0; i < whole_rows; i += 8) {
    for (std::int64_t j = 0; j < whole_cols; j += 8) {
      transpose_8x8(from + i * in_stride + j, in_stride, to + j * out_stride + i, out_stride);
    }
  }
  for (std::int64_t j = 0; j < cols; ++j) {
    for (std::int64_t i = j < whole_cols ? whole_rows : 0; i < rows; ++i) {
      to[j * out_stride + i] = from[i * in_stride + j];
    }
  }
}

class PermuteKernel final : public CanonicalKernel {
 public:
  PermuteKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), others_(joined_axes(op)), n_(op.out(0).elements()) {
    last_ = others_.back();
    others_.pop_back();
    if (last_.in_stride == 1 || n_ == 0) return;
    // x's own last axis, somewhere before the last of y
    const auto along = std::ranges::find(others_, 1, &Axis::in_stride);
    along_ = *along;
    others_.erase(along);
    tiles_i_ = (last_.extent + kTile - 1) / kTile;
    tiles_j_ = (along_.extent + kTile - 1) / kTile;
  }

 private:
  struct Place {
    std::int64_t in = 0, out = 0;
  };
  Place place(std::int64_t index) const {
    Place at;
    for (std::size_t i = others_.size(); i-- > 0;) {
      const std::int64_t k = index % others_[i].extent;
      at.in += k * others_[i].in_stride;
      at.out += k * others_[i].out_stride;
      index /= others_[i].extent;
    }
    return at;
  }
  void compute(const sdk::Exec& exec) const override {
    if (n_ == 0) return;
    const auto* x = exec.input<float>(0);
    auto* y = exec.output<float>(0);
    if (last_.in_stride == 1) return copy_runs(exec.threads(), x, y);
    const std::int64_t tiles = n_ / (last_.extent * along_.extent) * tiles_i_ * tiles_j_;
    const std::int64_t size = std::min(kTile, last_.extent) * std::min(kTile, along_.extent);
    parallel().run(exec.threads(), tiles, std::max<std::int64_t>(1, kGrain / size),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t tile = begin; tile < end; ++tile) {
                       const std::int64_t i = tile % tiles_i_ * kTile;
                       const std::int64_t j = tile / tiles_i_ % tiles_j_ * kTile;
                       const Place at = place(tile / tiles_i_ / tiles_j_);
                       transpose(x + at.in + i * last_.in_stride + j, last_.in_stride,
                                 std::min(kTile, last_.extent - i),
                                 std::min(kTile, along_.extent - j),
                                 y + at.out + j * along_.out_stride + i, along_.out_stride);
                     }
                   });
  }
  void copy_runs(int threads, const float* x, float* y) const {
    parallel().run(threads, n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin; at < end;) {
        const std::int64_t col = at % last_.extent;
        const std::int64_t count = std::min(last_.extent - col, end - at);
        copy_floats(x + place(at / last_.extent).in + col, y + at, count);
        at += count;
      }
    });
  }

  std::vector<Axis> others_;
  Axis last_{}, along_{};  // the last axis of y; that of x, where it is another
  std::int64_t n_, tiles_i_ = 0, tiles_j_ = 0;
};

KernelPtr make_permute(const Op& op, const Parallel& parallel) {
  return std::make_unique<PermuteKernel>(op, parallel);
}

}  // namespace

std::span<const Entry> permute_kernels() {
  static constexpr Entry kEntries[] = {{ops::Permute::kForward, &make_permute}};
  return kEntries;
}

}  // namespace soma::common
