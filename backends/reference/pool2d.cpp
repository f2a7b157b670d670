#include "soma/sdk/ops/pool2d.hpp"

#include "kernels.hpp"

namespace soma::reference {
namespace {

/// Letters as in the header. Visits windows and the taps of a window that lie inside the input, in
/// ascending order.
struct Windows {
  Windows(const Op& op, const Shape& input, const Shape& output)
      : pool(ops::Pool2d::from(op.attributes)),
        N(input[0]),
        H(input[1]),
        W(input[2]),
        C(input[3]),
        P(output[1]),
        Q(output[2]) {}

  /// body(n, p, q) for every window.
  template <class Body>
  void for_each(Body&& body) const {
    for (std::int64_t n = 0; n < N; ++n) {
      for (std::int64_t p = 0; p < P; ++p) {
        for (std::int64_t q = 0; q < Q; ++q) body(n, p, q);
      }
    }
  }
  /// body(h * W + w) for every tap of window (p, q) inside the input.
  template <class Body>
  void for_each_tap(std::int64_t p, std::int64_t q, Body&& body) const {
    for (std::int64_t r = 0; r < pool.kernel_h; ++r) {
      const std::int64_t h = p * pool.window.stride_h - pool.window.pad_top + r;
      if (h < 0 || h >= H) continue;
      for (std::int64_t s = 0; s < pool.kernel_w; ++s) {
        const std::int64_t w = q * pool.window.stride_w - pool.window.pad_left + s;
        if (w >= 0 && w < W) body(h * W + w);
      }
    }
  }
  /// What the sum over window (p, q) is divided by.
  std::int64_t count(std::int64_t p, std::int64_t q) const {
    if (pool.include_pad) return pool.kernel_h * pool.kernel_w;
    std::int64_t taps = 0;
    for_each_tap(p, q, [&](std::int64_t) { ++taps; });
    return taps;
  }
  std::int64_t output_at(std::int64_t n, std::int64_t p, std::int64_t q) const {
    return ((n * P + p) * Q + q) * C;
  }
  std::int64_t input_at(std::int64_t n, std::int64_t pixel) const {
    return (n * H * W + pixel) * C;
  }
  std::int64_t input_elements() const { return N * H * W * C; }

  ops::Pool2d pool;
  std::int64_t N, H, W, C, P, Q;
};

template <class T>
class MaxForward final : public LoopKernel<T> {
 public:
  explicit MaxForward(const Op& op)
      : x_(op, op.in(0), op.out(0)), keep_argmax_(op.outputs.size() > 1) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* input = exec.input<T>(0);
    T* output = exec.output<T>(0);
    std::int32_t* argmax = keep_argmax_ ? exec.output<std::int32_t>(1) : nullptr;
    x_.for_each([&](std::int64_t n, std::int64_t p, std::int64_t q) {
      const std::int64_t to = x_.output_at(n, p, q);
      bool seen = false;
      x_.for_each_tap(p, q, [&](std::int64_t pixel) {
        const T* from = input + x_.input_at(n, pixel);
        for (std::int64_t c = 0; c < x_.C; ++c) {
          T& best = output[to + c];
          const T x = from[c];
          // Larger, or the first NaN.
          if (!seen || x > best || (x != x && best == best)) {
            best = x;
            if (argmax != nullptr) argmax[to + c] = static_cast<std::int32_t>(pixel);
          }
        }
        seen = true;
      });
    });
  }
  Windows x_;
  bool keep_argmax_;
};

template <class T>
class MaxBackward final : public LoopKernel<T> {
 public:
  explicit MaxBackward(const Op& op) : x_(op, op.out(0), op.in(0)) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad_output = exec.input<T>(0);
    const std::int32_t* argmax = exec.input<std::int32_t>(1);
    T* grad_input = exec.output<T>(0);
    std::fill_n(grad_input, x_.input_elements(), T(0));
    x_.for_each([&](std::int64_t n, std::int64_t p, std::int64_t q) {
      const std::int64_t from = x_.output_at(n, p, q);
      for (std::int64_t c = 0; c < x_.C; ++c) {
        grad_input[x_.input_at(n, argmax[from + c]) + c] += grad_output[from + c];
      }
    });
  }
  Windows x_;
};

template <class T>
class AvgForward final : public LoopKernel<T> {
 public:
  explicit AvgForward(const Op& op) : x_(op, op.in(0), op.out(0)) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* input = exec.input<T>(0);
    T* output = exec.output<T>(0);
    x_.for_each([&](std::int64_t n, std::int64_t p, std::int64_t q) {
      T* mean = output + x_.output_at(n, p, q);
      std::fill_n(mean, x_.C, T(0));
      x_.for_each_tap(p, q, [&](std::int64_t pixel) {
        const T* from = input + x_.input_at(n, pixel);
        for (std::int64_t c = 0; c < x_.C; ++c) mean[c] += from[c];
      });
      const T count = static_cast<T>(x_.count(p, q));
      for (std::int64_t c = 0; c < x_.C; ++c) mean[c] /= count;
    });
  }
  Windows x_;
};

template <class T>
class AvgBackward final : public LoopKernel<T> {
 public:
  explicit AvgBackward(const Op& op) : x_(op, op.out(0), op.in(0)) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad_output = exec.input<T>(0);
    T* grad_input = exec.output<T>(0);
    std::fill_n(grad_input, x_.input_elements(), T(0));
    x_.for_each([&](std::int64_t n, std::int64_t p, std::int64_t q) {
      const T* from = grad_output + x_.output_at(n, p, q);
      const T count = static_cast<T>(x_.count(p, q));
      x_.for_each_tap(p, q, [&](std::int64_t pixel) {
        T* to = grad_input + x_.input_at(n, pixel);
        for (std::int64_t c = 0; c < x_.C; ++c) to[c] += from[c] / count;
      });
    });
  }
  Windows x_;
};

}  // namespace

std::span<const Entry> pool2d_kernels() {
  static const Entry entries[] = {
      entry<MaxForward>(ops::Pool2d::kMaxForward), entry<MaxBackward>(ops::Pool2d::kMaxBackward),
      entry<AvgForward>(ops::Pool2d::kAvgForward), entry<AvgBackward>(ops::Pool2d::kAvgBackward)};
  return entries;
}

}  // namespace soma::reference
