#include "soma/sdk/ops/conv2d.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "reductions.hpp"
#include "shared.hpp"

namespace soma::kernels {
namespace {

/// Letters as in soma/sdk/ops/conv2d.hpp; Cg and Kg are the channels of one group.
struct Geometry {
  explicit Geometry(const Op& op) : conv(ops::Conv2d::from(op.attributes)), groups(conv.groups) {
    const bool forward = op.id == ops::Conv2d::kForward;
    const bool weights = op.id == ops::Conv2d::kBackwardWeights;
    const Shape& image = forward || weights ? op.in(0) : op.out(0);
    const Shape& result = forward ? op.out(0) : weights ? op.in(1) : op.in(0);
    const Shape& weight = weights ? op.out(0) : op.in(1);
    N = image[0], H = image[1], W = image[2], C = image[3];
    P = result[1], Q = result[2], K = result[3];
    R = weight[1], S = weight[2];
    Cg = C / groups, Kg = K / groups;
  }
  /// True if no tap of an output falls outside the image.
  bool inside() const {
    const ops::Window2d& w = conv.window;
    return w.pad_top == 0 && w.pad_left == 0 && (P - 1) * w.stride_h + (R - 1) * w.dilation_h < H &&
           (Q - 1) * w.stride_w + (S - 1) * w.dilation_w < W;
  }
  ops::Conv2d conv;
  std::int64_t groups, N, H, W, C, P, Q, K, R, S, Cg, Kg;
};

bool all_finite(const float* x, std::int64_t n) {
  return std::all_of(x, x + n, [](float v) { return std::isfinite(v); });
}

class Conv2dKernel : public ComposedKernel {
 protected:
  Conv2dKernel(const Op& op, const ComposedBackend::Shared& shared)
      : ComposedKernel(op, shared), g(op) {}

  /// The input channels of one group that each output of images [first, first + images) sees, a row
  /// [R,S,Cg] for each; +0 outside the image.
  void gather_inputs(const sdk::Exec& exec, const float* input, std::int64_t group,
                     std::int64_t first, std::int64_t images, float* rows) const {
    const ops::Window2d& w = g.conv.window;
    shared_.loops.run(exec.threads(), images * g.P, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t line = begin; line < end; ++line) {
        const std::int64_t n = first + line / g.P, p = line % g.P;
        float* to = rows + line * g.Q * g.R * g.S * g.Cg;
        for (std::int64_t q = 0; q < g.Q; ++q) {
          for (std::int64_t r = 0; r < g.R; ++r) {
            for (std::int64_t s = 0; s < g.S; ++s, to += g.Cg) {
              const std::int64_t h = p * w.stride_h - w.pad_top + r * w.dilation_h;
              const std::int64_t v = q * w.stride_w - w.pad_left + s * w.dilation_w;
              copy(input, n, h, v, g.H, g.W, g.C, group * g.Cg, g.Cg, to);
            }
          }
        }
      }
    });
  }
  static void copy(const float* image, std::int64_t n, std::int64_t h, std::int64_t w,
                   std::int64_t height, std::int64_t width, std::int64_t channels,
                   std::int64_t first, std::int64_t count, float* to) {
    const auto bytes = static_cast<std::size_t>(count) * sizeof(float);
    if (h < 0 || h >= height || w < 0 || w >= width) {
      std::memset(to, 0, bytes);
    } else {
      std::memcpy(to, image + ((n * height + h) * width + w) * channels + first, bytes);
    }
  }
  Geometry g;
};

class Forward final : public Conv2dKernel {
 public:
  Forward(const Op& op, const ComposedBackend::Shared& shared)
      : Conv2dKernel(op, shared), finish_(op) {
    need_workspace(g.P * g.Q * g.R * g.S * g.Cg);
  }

 private:
  bool can_multiply(const sdk::Exec& exec) const override {
    return g.inside() || all_finite(exec.input<float>(1), g.K * g.R * g.S * g.Cg);
  }
  void compute(const sdk::Exec& exec) const override {
    const std::int64_t depth = g.R * g.S * g.Cg;
    auto* rows = exec.workspace<float>();
    for (std::int64_t n = 0; n < g.N; ++n) {
      for (std::int64_t group = 0; group < g.groups; ++group) {
        gather_inputs(exec, exec.input<float>(0), group, n, 1, rows);
        MatrixProduct product{g.P * g.Q, g.Kg, depth, rows, depth, 1};
        product.b = exec.input<float>(1) + group * g.Kg * depth;
        product.b_step = 1;
        product.b_col = depth;
        product.c = exec.output<float>(0) + n * g.P * g.Q * g.K + group * g.Kg;
        product.c_row = g.K;
        shared_.backend.multiply(product, exec.threads());
      }
    }
    finish_.run(shared_.loops, exec, g.N * g.P * g.Q, g.K);
  }
  Finish finish_;
};

/// Each input pixel gathers the gradients of the outputs that saw it, a row [R,S,Kg]; the weights
/// are laid out to match, [R,S,Kg,Cg].
class BackwardData final : public Conv2dKernel {
 public:
  BackwardData(const Op& op, const ComposedBackend::Shared& shared) : Conv2dKernel(op, shared) {
    need_workspace(g.R * g.S * g.Kg * (g.Cg + g.H * g.W));
  }

 private:
  bool can_multiply(const sdk::Exec& exec) const override {
    return all_finite(exec.input<float>(1), g.K * g.R * g.S * g.Cg);
  }
  void compute(const sdk::Exec& exec) const override {
    const std::int64_t taps = g.R * g.S, depth = taps * g.Kg;
    auto* weights = exec.workspace<float>();
    float* rows = weights + depth * g.Cg;
    for (std::int64_t group = 0; group < g.groups; ++group) {
      const float* weight = exec.input<float>(1) + group * g.Kg * taps * g.Cg;
      for (std::int64_t k = 0; k < g.Kg; ++k) {
        for (std::int64_t t = 0; t < taps; ++t) {
          std::copy_n(weight + (k * taps + t) * g.Cg, g.Cg, weights + (t * g.Kg + k) * g.Cg);
        }
      }
      for (std::int64_t n = 0; n < g.N; ++n) {
        gather_gradients(exec, group, n, rows);
        MatrixProduct product{g.H * g.W, g.Cg, depth, rows, depth, 1, weights, g.Cg, 1};
        product.c = exec.output<float>(0) + n * g.H * g.W * g.C + group * g.Cg;
        product.c_row = g.C;
        shared_.backend.multiply(product, exec.threads());
      }
    }
  }
  void gather_gradients(const sdk::Exec& exec, std::int64_t group, std::int64_t n,
                        float* rows) const {
    const ops::Window2d& w = g.conv.window;
    const auto* grad = exec.input<float>(0);
    shared_.loops.run(exec.threads(), g.H, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t h = begin; h < end; ++h) {
        float* to = rows + h * g.W * g.R * g.S * g.Kg;
        for (std::int64_t v = 0; v < g.W; ++v) {
          for (std::int64_t r = 0; r < g.R; ++r) {
            for (std::int64_t s = 0; s < g.S; ++s, to += g.Kg) {
              const std::int64_t y = h + w.pad_top - r * w.dilation_h;
              const std::int64_t x = v + w.pad_left - s * w.dilation_w;
              const bool seen = y >= 0 && x >= 0 && y % w.stride_h == 0 && x % w.stride_w == 0;
              copy(grad, n, seen ? y / w.stride_h : -1, x / w.stride_w, g.P, g.Q, g.K, group * g.Kg,
                   g.Kg, to);
            }
          }
        }
      }
    });
  }
};

class BackwardWeights final : public Conv2dKernel {
 public:
  BackwardWeights(const Op& op, const ComposedBackend::Shared& shared)
      : Conv2dKernel(op, shared),
        accumulate_(op.attributes.flag("accumulate")),
        bias_(op.outputs.size() > 1),
        depth_(g.N * g.P * g.Q),
        taps_(g.R * g.S * g.Cg) {
    need_workspace(depth_ * taps_ + (accumulate_ ? g.Kg * taps_ : 0));
    need_workspace(
        static_cast<std::int64_t>(common::column_sums_bytes(depth_, g.K) / sizeof(float)));
  }

 private:
  bool can_multiply(const sdk::Exec& exec) const override {
    return g.inside() || all_finite(exec.input<float>(1), depth_ * g.K);
  }
  void compute(const sdk::Exec& exec) const override {
    const auto* grad = exec.input<float>(1);
    auto* rows = exec.workspace<float>();
    for (std::int64_t group = 0; group < g.groups; ++group) {
      gather_inputs(exec, exec.input<float>(0), group, 0, g.N, rows);
      float* to = exec.output<float>(0) + group * g.Kg * taps_;
      MatrixProduct product{g.Kg, taps_, depth_, grad + group * g.Kg, 1, g.K, rows, taps_, 1};
      product.c = accumulate_ ? rows + depth_ * taps_ : to;
      product.c_row = taps_;
      shared_.backend.multiply(product, exec.threads());
      if (accumulate_) put(shared_.loops, exec.threads(), product.c, to, g.Kg * taps_, true);
    }
    if (bias_) {
      common::column_sums(shared_.loops, exec.threads(), grad, depth_, g.K, accumulate_,
                          exec.output<float>(1), exec.workspace<float>());
    }
  }
  bool accumulate_, bias_;
  std::int64_t depth_, taps_;
};

}  // namespace

std::unique_ptr<sdk::Kernel> compose_conv2d(const Op& op, const ComposedBackend::Shared& shared) {
  if (op.id == ops::Conv2d::kForward) return std::make_unique<Forward>(op, shared);
  if (op.id == ops::Conv2d::kBackwardData) return std::make_unique<BackwardData>(op, shared);
  return std::make_unique<BackwardWeights>(op, shared);
}

}  // namespace soma::kernels
