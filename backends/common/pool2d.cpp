#include "soma/sdk/ops/pool2d.hpp"

#include <algorithm>

#include "copy.hpp"
#include "kernel_base.hpp"
#include "lanes.hpp"

namespace soma::common {
namespace {

// Elements whose taps are worth a piece of their own.
constexpr std::int64_t kPiece = 8192;

// The window's rows or columns that lie inside the input: first <= i < end, at positions start + i.
struct Taps {
  std::int64_t start, first, end;
};
Taps taps_of(std::int64_t out, std::int64_t stride, std::int64_t pad, std::int64_t kernel,
             std::int64_t size) {
  const std::int64_t start = out * stride - pad;
  return {start, std::max<std::int64_t>(0, -start), std::min(kernel, size - start)};
}

// Outputs whose window holds an input position: first <= p < end.
std::pair<std::int64_t, std::int64_t> windows_of(std::int64_t at, std::int64_t stride,
                                                 std::int64_t pad, std::int64_t kernel,
                                                 std::int64_t count) {
  const std::int64_t low = at + pad - kernel + 1;
  return {low <= 0 ? 0 : (low + stride - 1) / stride, std::min(count, (at + pad) / stride + 1)};
}

class PoolKernel : public CanonicalKernel {
 protected:
  PoolKernel(const Op& op, const Shape& input, const Shape& output, const Parallel& parallel)
      : CanonicalKernel(parallel),
        pool_(ops::Pool2d::from(op.attributes)),
        n_(input[0]),
        h_(input[1]),
        w_(input[2]),
        c_(input[3]),
        p_(output[1]),
        q_(output[2]) {}

  Taps rows_of(std::int64_t p) const {
    return taps_of(p, pool_.window.stride_h, pool_.window.pad_top, pool_.kernel_h, h_);
  }
  Taps cols_of(std::int64_t q) const {
    return taps_of(q, pool_.window.stride_w, pool_.window.pad_left, pool_.kernel_w, w_);
  }
  float count(const Taps& rows, const Taps& cols) const {
    if (pool_.include_pad) return static_cast<float>(pool_.kernel_h * pool_.kernel_w);
    return static_cast<float>((rows.end - rows.first) * (cols.end - cols.first));
  }
  // Runs row(n, i) for each image and each of its `rows` rows of `width` pixels.
  template <class Row>
  void for_rows(int threads, std::int64_t rows, std::int64_t width, Row row) const {
    const std::int64_t grain =
        std::max<std::int64_t>(1, kPiece / std::max<std::int64_t>(1, width * c_));
    parallel().run(threads, n_ * rows, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) row(i / rows, i % rows);
    });
  }
  // Runs lanes(c, left) for kLanes channels at a time.
  template <class F>
  void for_channels(F lanes) const {
    for (std::int64_t c = 0; c < c_; c += kLanes) lanes(c, c_ - c);
  }
  // The windows cover no pixel twice, and none lies beyond the image.
  bool tiles() const {
    const ops::Window2d& w = pool_.window;
    return w.stride_h == pool_.kernel_h && w.stride_w == pool_.kernel_w && w.pad_top == 0 &&
           w.pad_left == 0 && p_ * pool_.kernel_h <= h_ && q_ * pool_.kernel_w <= w_;
  }

  // The gradient where no pixel lies in two windows: all are written once, without clearing them
  // before. window(at, place) is asked once for the kLanes channels of a window at output element
  // `at`, what it returns for each pixel's index in the image.
  template <class Window>
  void for_tiles(int threads, float* grad_input, Window window) const {
    const std::int64_t height = pool_.kernel_h, width = pool_.kernel_w;
    for_rows(threads, p_, q_, [&](std::int64_t n, std::int64_t p) {
      float* image = grad_input + n * h_ * w_ * c_;
      for (std::int64_t q = 0; q < q_; ++q) {
        const std::int64_t at = ((n * p_ + p) * q_ + q) * c_;
        const std::int64_t first = p * height * w_ + q * width;
        for_lanes(c_, [&](std::int64_t c, auto place) {
          const auto gradient = window(at + c, place);
          for (std::int64_t r = 0; r < height; ++r) {
            for (std::int64_t s = 0; s < width; ++s) {
              const std::int64_t index = first + r * w_ + s;
              place.store(gradient(index), image + index * c_ + c);
            }
          }
        });
      }
      // What lies beyond the last windows.
      const std::int64_t used = q_ * width;
      for (std::int64_t h = p * height; h < (p + 1) * height; ++h) {
        zero_floats(image + (h * w_ + used) * c_, (w_ - used) * c_);
      }
      if (p + 1 == p_) zero_floats(image + p_ * height * w_ * c_, (h_ - p_ * height) * w_ * c_);
    });
  }

  ops::Pool2d pool_;
  std::int64_t n_, h_, w_, c_, p_, q_;
};

class MaxForward final : public PoolKernel {
 public:
  MaxForward(const Op& op, const Parallel& parallel)
      : PoolKernel(op, op.in(0), op.out(0), parallel), train_(op.outputs.size() > 1) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* input = exec.input<float>(0);
    auto* output = exec.output<float>(0);
    std::int32_t* argmax = train_ ? exec.output<std::int32_t>(1) : nullptr;
    for_rows(exec.threads(), p_, q_, [&](std::int64_t n, std::int64_t p) {
      const Taps rows = rows_of(p);
      const float* image = input + n * h_ * w_ * c_;
      for (std::int64_t q = 0; q < q_; ++q) {
        const Taps cols = cols_of(q);
        const std::int64_t at = ((n * p_ + p) * q_ + q) * c_;
        const bool two = rows.end - rows.first == 2 && cols.end - cols.first == 2;
        for_lanes(c_, [&](std::int64_t c, auto place) {
          std::int32_t* index = argmax == nullptr ? nullptr : argmax + at + c;
          if (two) {
            window_max<2, 2>(image + c, rows, cols, place, output + at + c, index);
          } else {
            window_max<0, 0>(image + c, rows, cols, place, output + at + c, index);
          }
        });
      }
    });
  }

  // The taps of kRows x kCols, or of as many as `rows` and `cols` have: a loop of known length is
  // unrolled, which halves the time of the common window.
  template <int kRows, int kCols, class Place>
  void window_max(const float* image, const Taps& rows, const Taps& cols, Place place,
                  float* output, std::int32_t* argmax) const {
    const std::int64_t first = (rows.start + rows.first) * w_ + cols.start + cols.first;
    const std::int64_t height = kRows > 0 ? kRows : rows.end - rows.first;
    const std::int64_t width = kCols > 0 ? kCols : cols.end - cols.first;
    Lanes most = place.load(image + first * c_);
    // The index of each lane's maximum, carried as the bits of a float so that it can be selected.
    Lanes where = index_lanes(first);
    for (std::int64_t r = 0; r < height; ++r) {
      for (std::int64_t s = 0; s < width; ++s) {
        if (r == 0 && s == 0) continue;
        const std::int64_t index = first + r * w_ + s;
        const Lanes x = place.load(image + index * c_);
        // A larger one, or the first NaN.
        const auto better = !(x <= most) && most == most;
        most = select(better, x, most);
        where = select(better, index_lanes(index), where);
      }
    }
    place.store(most, output);
    if (argmax != nullptr) place.store(where, reinterpret_cast<float*>(argmax));
  }
  static Lanes index_lanes(std::int64_t index) {
    return Lanes::from_bits(Lanes::Int(static_cast<std::int32_t>(index)));
  }

  bool train_;
};

class MaxBackward final : public PoolKernel {
 public:
  MaxBackward(const Op& op, const Parallel& parallel)
      : PoolKernel(op, op.out(0), op.in(0), parallel) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* grad = exec.input<float>(0);
    const auto* argmax = exec.input<std::int32_t>(1);
    auto* grad_input = exec.output<float>(0);
    if (tiles()) {
      return for_tiles(exec.threads(), grad_input, [&](std::int64_t at, auto place) {
        const auto where = bits(place.load(reinterpret_cast<const float*>(argmax) + at));
        const Lanes g = Lanes(0) + place.load(grad + at);  // as an addition to +0
        return [=](std::int64_t index) {
          const auto here = where == Lanes::Int(static_cast<std::int32_t>(index));
          return select(here, g, Lanes(0));
        };
      });
    }
    // Windows may share elements, so an image's channels are a task: within it (p,q) ascends.
    constexpr std::int64_t kChannels = 64;
    const std::int64_t chunks = (c_ + kChannels - 1) / kChannels;
    const std::int64_t size = std::max<std::int64_t>(1, p_ * q_ * std::min(c_, kChannels));
    const std::int64_t grain = std::max<std::int64_t>(1, kPiece / size);
    parallel().run(exec.threads(), n_ * chunks, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t n = i / chunks, c0 = i % chunks * kChannels;
        const std::int64_t c1 = std::min(c0 + kChannels, c_);
        float* image = grad_input + n * h_ * w_ * c_;
        for (std::int64_t at = 0; at < h_ * w_; ++at) zero_floats(image + at * c_ + c0, c1 - c0);
        for (std::int64_t at = n * p_ * q_; at < (n + 1) * p_ * q_; ++at) {
          for (std::int64_t c = c0; c < c1; ++c) {
            image[argmax[at * c_ + c] * c_ + c] += grad[at * c_ + c];
          }
        }
      }
    });
  }
};

class AvgForward final : public PoolKernel {
 public:
  AvgForward(const Op& op, const Parallel& parallel)
      : PoolKernel(op, op.in(0), op.out(0), parallel) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* input = exec.input<float>(0);
    auto* output = exec.output<float>(0);
    for_rows(exec.threads(), p_, q_, [&](std::int64_t n, std::int64_t p) {
      const Taps rows = rows_of(p);
      for (std::int64_t q = 0; q < q_; ++q) {
        const Taps cols = cols_of(q);
        const Lanes taps(count(rows, cols));
        for_channels([&](std::int64_t c, std::int64_t left) {
          Lanes sum(0);
          for (std::int64_t r = rows.first; r < rows.end; ++r) {
            const float* row = input + ((n * h_ + rows.start + r) * w_ + cols.start) * c_ + c;
            for (std::int64_t s = cols.first; s < cols.end; ++s) {
              sum = sum + load_lanes(row + s * c_, left);
            }
          }
          store_lanes(sum / taps, output + ((n * p_ + p) * q_ + q) * c_ + c, left);
        });
      }
    });
  }
};

class AvgBackward final : public PoolKernel {
 public:
  AvgBackward(const Op& op, const Parallel& parallel)
      : PoolKernel(op, op.out(0), op.in(0), parallel) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* grad = exec.input<float>(0);
    auto* grad_input = exec.output<float>(0);
    if (tiles()) {
      const Lanes taps(static_cast<float>(pool_.kernel_h * pool_.kernel_w));
      return for_tiles(exec.threads(), grad_input, [&](std::int64_t at, auto place) {
        const Lanes share = Lanes(0) + place.load(grad + at) / taps;  // as an addition to +0
        return [=](std::int64_t) { return share; };
      });
    }
    const ops::Window2d& window = pool_.window;
    for_rows(exec.threads(), h_, w_, [&](std::int64_t n, std::int64_t h) {
      const auto [p0, p1] = windows_of(h, window.stride_h, window.pad_top, pool_.kernel_h, p_);
      for (std::int64_t w = 0; w < w_; ++w) {
        const auto [q0, q1] = windows_of(w, window.stride_w, window.pad_left, pool_.kernel_w, q_);
        for_channels([&, p0 = p0, p1 = p1, q0 = q0, q1 = q1](std::int64_t c, std::int64_t left) {
          Lanes sum(0);
          for (std::int64_t p = p0; p < p1; ++p) {
            const Taps rows = rows_of(p);
            for (std::int64_t q = q0; q < q1; ++q) {
              const Lanes share = load_lanes(grad + ((n * p_ + p) * q_ + q) * c_ + c, left);
              sum = sum + share / Lanes(count(rows, cols_of(q)));
            }
          }
          store_lanes(sum, grad_input + ((n * h_ + h) * w_ + w) * c_ + c, left);
        });
      }
    });
  }
};

KernelPtr make_pool2d(const Op& op, const Parallel& parallel) {
  if (op.id == ops::Pool2d::kMaxForward) return std::make_unique<MaxForward>(op, parallel);
  if (op.id == ops::Pool2d::kMaxBackward) return std::make_unique<MaxBackward>(op, parallel);
  if (op.id == ops::Pool2d::kAvgForward) return std::make_unique<AvgForward>(op, parallel);
  return std::make_unique<AvgBackward>(op, parallel);
}

}  // namespace

std::span<const Entry> pool2d_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Pool2d::kMaxForward, &make_pool2d},
      {ops::Pool2d::kMaxBackward, &make_pool2d},
      {ops::Pool2d::kAvgForward, &make_pool2d},
      {ops::Pool2d::kAvgBackward, &make_pool2d},
  };
  return kEntries;
}

}  // namespace soma::common
