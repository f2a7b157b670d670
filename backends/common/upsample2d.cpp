#include "soma/sdk/ops/upsample2d.hpp"

#include <algorithm>

#include "copy.hpp"
#include "kernel_base.hpp"
#include "lanes.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements, 64 KiB

/// What an output row (or column) reads; weight[1] = 0 means the first alone.
struct Taps {
  std::int64_t first;
  float weight[2];

  bool two() const { return weight[1] != 0; }
  /// Of input index h; 0 if this row does not read it.
  float weight_of(std::int64_t h) const {
    return h == first ? weight[0] : h == first + 1 ? weight[1] : 0.0f;
  }
};

struct AxisTaps {
  std::vector<Taps> taps;
  std::vector<std::int64_t> begin, end;  // per input index, the outputs that may read it

  AxisTaps(std::int64_t extent, std::int64_t scale, bool bilinear)
      : begin(static_cast<std::size_t>(extent), extent * scale),
        end(static_cast<std::size_t>(extent), 0) {
    for (const auto& t : ops::Upsample2d::all_taps(extent, scale, bilinear)) {
      const auto p = static_cast<std::int64_t>(taps.size());
      taps.push_back({t.first, {t.weight<float>(0), t.weight<float>(1)}});
      for (std::int64_t h = t.first; h <= t.first + (t.two() ? 1 : 0); ++h) {
        auto& from = begin[static_cast<std::size_t>(h)];
        from = std::min(from, p);
        end[static_cast<std::size_t>(h)] = p + 1;
      }
    }
  }
  const Taps& at(std::int64_t p) const { return taps[static_cast<std::size_t>(p)]; }
  std::int64_t outputs() const { return static_cast<std::int64_t>(taps.size()); }
};

class UpsampleKernel : public CanonicalKernel {
 protected:
  UpsampleKernel(const Op& op, const Shape& x, const Parallel& parallel)
      : UpsampleKernel(ops::Upsample2d::from(op.attributes), x, parallel) {}
  UpsampleKernel(const ops::Upsample2d& up, const Shape& x, const Parallel& parallel)
      : CanonicalKernel(parallel),
        n_(x[0]),
        h_(x[1]),
        w_(x[2]),
        c_(x[3]),
        rows_(x[1], up.scale_h, up.bilinear),
        cols_(x[2], up.scale_w, up.bilinear),
        p_(rows_.outputs()),
        q_(cols_.outputs()) {}

  std::int64_t n_, h_, w_, c_;
  AxisTaps rows_, cols_;
  std::int64_t p_, q_;
};

class UpsampleForward final : public UpsampleKernel {
 public:
  UpsampleForward(const Op& op, const Parallel& parallel)
      : UpsampleKernel(op, op.in(0), parallel) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    auto* y = exec.output<float>(0);
    const std::int64_t grain =
        std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, q_ * c_));
    parallel().run(exec.threads(), n_ * p_, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const Taps& row = rows_.at(i % p_);
        const float* upper = x + (i / p_ * h_ + row.first) * w_ * c_;
        compute_row(row, upper, upper + (row.two() ? w_ * c_ : 0), y + i * q_ * c_);
      }
    });
  }
  void compute_row(const Taps& row, const float* upper, const float* lower, float* y) const {
    for (std::int64_t q = 0; q < q_; ++q, y += c_) {
      const Taps& col = cols_.at(q);
      const float *u = upper + col.first * c_, *l = lower + col.first * c_;
      if (!row.two() && !col.two()) {
        copy_floats(u, y, c_);
        continue;
      }
      for (std::int64_t c = 0; c < c_; c += kLanes) {
        const std::int64_t left = c_ - c;
        Lanes value = across(col, u + c, left);
        if (row.two()) {
          value = fma(Lanes(row.weight[1]), across(col, l + c, left), Lanes(row.weight[0]) * value);
        }
        store_lanes(value, y + c, left);
      }
    }
  }
  Lanes across(const Taps& col, const float* x, std::int64_t left) const {
    const Lanes first = load_lanes(x, left);
    if (!col.two()) return first;
    return fma(Lanes(col.weight[1]), load_lanes(x + c_, left), Lanes(col.weight[0]) * first);
  }
};

class UpsampleBackward final : public UpsampleKernel {
 public:
  UpsampleBackward(const Op& op, const Parallel& parallel)
      : UpsampleKernel(op, op.out(0), parallel) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* grad_y = exec.input<float>(0);
    auto* grad_x = exec.output<float>(0);
    const std::int64_t work = q_ * c_ * std::max<std::int64_t>(1, h_ == 0 ? 1 : p_ / h_);
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, work));
    parallel().run(exec.threads(), n_ * h_, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float* image = grad_y + i / h_ * p_ * q_ * c_;
        for (std::int64_t w = 0; w < w_; ++w) {
          for (std::int64_t c = 0; c < c_; c += kLanes) {
            store_lanes(gather(image + c, i % h_, w, c_ - c), grad_x + (i * w_ + w) * c_ + c,
                        c_ - c);
          }
        }
      }
    });
  }
  Lanes gather(const float* image, std::int64_t h, std::int64_t w, std::int64_t left) const {
    const auto row = static_cast<std::size_t>(h), col = static_cast<std::size_t>(w);
    Lanes sum(0);
    for (std::int64_t p = rows_.begin[row]; p < rows_.end[row]; ++p) {
      const float weight_h = rows_.at(p).weight_of(h);
      if (weight_h == 0) continue;
      for (std::int64_t q = cols_.begin[col]; q < cols_.end[col]; ++q) {
        const float weight_w = cols_.at(q).weight_of(w);
        if (weight_w == 0) continue;
        sum = fma(Lanes(weight_h * weight_w), load_lanes(image + (p * q_ + q) * c_, left), sum);
      }
    }
    return sum;
  }
};

KernelPtr make_upsample2d(const Op& op, const Parallel& parallel) {
  if (op.id == ops::Upsample2d::kForward) return std::make_unique<UpsampleForward>(op, parallel);
  return std::make_unique<UpsampleBackward>(op, parallel);
}

}  // namespace

std::span<const Entry> upsample2d_kernels() {
  static constexpr Entry kEntries[] = {{ops::Upsample2d::kForward, &make_upsample2d},
                                       {ops::Upsample2d::kBackward, &make_upsample2d}};
  return kEntries;
}

}  // namespace soma::common
