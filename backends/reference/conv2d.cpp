#include "soma/sdk/ops/conv2d.hpp"

#include "contract.hpp"
#include "epilogue.hpp"
#include "kernels.hpp"
#include "reductions.hpp"

namespace soma::reference {
namespace {

/// Letters as in the header; Cg and Kg are the channels of one group. Rows of a tile are pixels of
/// one image line (forward, data) or input channels of one tap (weights).
struct Extents {
  Extents(const ops::Conv2d& op, const Shape& input, const Shape& weight, const Shape& output)
      : window(op.window),
        groups(op.groups),
        N(input[0]),
        H(input[1]),
        W(input[2]),
        C(input[3]),
        K(weight[0]),
        R(weight[1]),
        S(weight[2]),
        P(output[1]),
        Q(output[2]),
        Cg(C / groups),
        Kg(K / groups) {}

  ops::Window2d window;
  std::int64_t groups, N, H, W, C, K, R, S, P, Q, Cg, Kg;

  /// Input coordinate that tap r / s of output p / q sees; may lie outside.
  std::int64_t h(std::int64_t p, std::int64_t r) const {
    return p * window.stride_h - window.pad_top + r * window.dilation_h;
  }
  std::int64_t w(std::int64_t q, std::int64_t s) const {
    return q * window.stride_w - window.pad_left + s * window.dilation_w;
  }
};

bool inside(std::int64_t x, std::int64_t extent) { return x >= 0 && x < extent; }

/// The taps (r, s) with `channels` terms each, as k ascends through one block.
struct Taps {
  Taps(std::int64_t begin, std::int64_t block_end, std::int64_t kernel_w, std::int64_t channels_)
      : channels(channels_),
        S(kernel_w),
        end(block_end),
        k(begin),
        r(begin / channels / S),
        s(begin / channels % S),
        channel(begin % channels) {}

  bool any() const { return k < end; }
  /// Terms from here to the end of the tap or of the block.
  std::int64_t count() const { return std::min(channels - channel, end - k); }
  /// Moves on to the next tap.
  void next() {
    k += count();
    channel = 0;
    if (++s == S) s = 0, ++r;
  }

  std::int64_t channels, S, end;
  std::int64_t k, r, s, channel;  // current term
};

template <class T>
class Conv2dForward final : public LoopKernel<T> {
 public:
  explicit Conv2dForward(const Op& op) : Conv2dForward(op, ops::Conv2d::from(op.attributes)) {}

 private:
  Conv2dForward(const Op& op, const ops::Conv2d& family)
      : x_(family, op.in(0), op.in(1), op.out(0)), epilogue_(family.epilogue) {}

  void run(const sdk::Exec& exec) const override {
    const std::int64_t depth = x_.R * x_.S * x_.Cg;
    T* output = exec.output<T>(0);
    std::fill_n(output, x_.N * x_.P * x_.Q * x_.K, T(0));
    for (std::int64_t g = 0; g < x_.groups; ++g) {
      const T* input = exec.input<T>(0) + g * x_.Cg;
      const T* weight = exec.input<T>(1) + g * x_.Kg * depth;
      for_each_panel<T>(
          depth, x_.Kg, [&](std::int64_t k) { return weight + k; }, depth,
          [&](const Panel<T>& panel) { add_block(panel, input, output + g * x_.Kg); });
    }
    epilogue_.apply(exec, x_.N * x_.P * x_.Q, x_.K, output);
  }

  void add_block(const Panel<T>& panel, const T* input, T* output) const {
    const Taps taps(panel.begin, panel.end, x_.S, x_.Cg);
    const Taps kernel_rows(panel.begin, panel.end, 1, x_.S * x_.Cg);
    for (std::int64_t n = 0; n < x_.N; ++n) {
      for (std::int64_t p = 0; p < x_.P; ++p) {
        for (std::int64_t q = 0; q < x_.Q; q += kRows) {
          const std::int64_t rows = std::min(kRows, x_.Q - q);
          // A kernel row whose taps all lie inside the image is contiguous in it: one long tap.
          const bool whole = x_.groups == 1 && x_.window.dilation_w == 1 && x_.w(q, 0) >= 0 &&
                             x_.w(q + rows - 1, x_.S - 1) < x_.W;
          Tile<T> tile;
          add_taps(panel, whole ? kernel_rows : taps, input + n * x_.H * x_.W * x_.C, p, q, rows,
                   tile);
          tile.finish(panel, rows, output + ((n * x_.P + p) * x_.Q + q) * x_.K, x_.K);
        }
      }
    }
  }

  /// Adds what the outputs (p, q + i), i < rows, see of one image.
  void add_taps(const Panel<T>& panel, Taps tap, const T* image, std::int64_t p, std::int64_t q,
                std::int64_t rows, Tile<T>& tile) const {
    for (; tap.any(); tap.next()) {
      const std::int64_t h = x_.h(p, tap.r);
      if (!inside(h, x_.H)) continue;
      std::int64_t first = 0, last = rows;
      while (first < last && x_.w(q + first, tap.s) < 0) ++first;
      while (first < last && x_.w(q + last - 1, tap.s) >= x_.W) --last;
      if (first == last) continue;
      const T* from = image + (h * x_.W + x_.w(q + first, tap.s)) * x_.C + tap.channel;
      tile.add(panel, first, last - first, tap.k, tap.count(), from, x_.window.stride_w * x_.C, 1);
    }
  }

  Extents x_;
  EpilogueLoops<T> epilogue_;
};

template <class T>
class Conv2dBackwardData final : public LoopKernel<T> {
 public:
  explicit Conv2dBackwardData(const Op& op)
      : x_(ops::Conv2d::from(op.attributes), op.out(0), op.in(1), op.in(0)) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const std::int64_t taps = x_.R * x_.S;
    T* grad_input = exec.output<T>(0);
    std::fill_n(grad_input, x_.N * x_.H * x_.W * x_.C, T(0));
    for (std::int64_t g = 0; g < x_.groups; ++g) {
      const T* grad_output = exec.input<T>(0) + g * x_.Kg;
      const T* weight = exec.input<T>(1) + g * x_.Kg * taps * x_.Cg;
      const auto term = [&](std::int64_t i) {
        return weight + (i % x_.Kg * taps + i / x_.Kg) * x_.Cg;
      };
      for_each_panel<T>(taps * x_.Kg, x_.Cg, term, 1, [&](const Panel<T>& panel) {
        add_block(panel, grad_output, grad_input + g * x_.Cg);
      });
    }
  }

  void add_block(const Panel<T>& panel, const T* grad_output, T* grad_input) const {
    const std::int64_t stride = x_.window.stride_w;
    const Taps taps(panel.begin, panel.end, x_.S, x_.Kg);
    for (std::int64_t n = 0; n < x_.N; ++n) {
      for (std::int64_t h = 0; h < x_.H; ++h) {
        // Pixels a stride apart see the same taps.
        for (std::int64_t phase = 0; phase < std::min(stride, x_.W); ++phase) {
          for (std::int64_t w = phase; w < x_.W; w += kRows * stride) {
            const std::int64_t rows = std::min(kRows, (x_.W - w + stride - 1) / stride);
            Tile<T> tile;
            add_taps(panel, taps, grad_output + n * x_.P * x_.Q * x_.K, h, w, rows, tile);
            tile.finish(panel, rows, grad_input + ((n * x_.H + h) * x_.W + w) * x_.C,
                        stride * x_.C);
          }
        }
      }
    }
  }

  /// Adds what the inputs (h, w + i * stride_w), i < rows, receive in one image.
  void add_taps(const Panel<T>& panel, Taps tap, const T* grad_image, std::int64_t h,
                std::int64_t w, std::int64_t rows, Tile<T>& tile) const {
    const ops::Window2d& window = x_.window;
    for (; tap.any(); tap.next()) {
      std::int64_t p = h + window.pad_top - tap.r * window.dilation_h;
      std::int64_t q = w + window.pad_left - tap.s * window.dilation_w;
      if (!divide(p, window.stride_h) || !inside(p, x_.P) || !divide(q, window.stride_w)) continue;
      std::int64_t first = 0, last = rows;
      while (first < last && q + first < 0) ++first;
      while (first < last && q + last > x_.Q) --last;
      if (first == last) continue;
      const T* from = grad_image + (p * x_.Q + q + first) * x_.K + tap.channel;
      tile.add(panel, first, last - first, tap.k, tap.count(), from, x_.K, 1);
    }
  }

  /// x /= stride if it divides; a tap between two strides touches no output.
  static bool divide(std::int64_t& x, std::int64_t stride) {
    if (stride == 1) return true;
    if (x % stride != 0) return false;
    x /= stride;
    return true;
  }

  Extents x_;
};

template <class T>
class Conv2dBackwardWeights final : public LoopKernel<T> {
 public:
  explicit Conv2dBackwardWeights(const Op& op)
      : op_(ops::Conv2d::from(op.attributes)), x_(op_, op.in(0), op.out(0), op.in(1)) {
    this->info_.workspace_bytes =
        sizeof(T) * x_.R * x_.S * x_.Cg * x_.Kg;  // one group, [R,S,Cg,Kg]
  }

 private:
  void run(const sdk::Exec& exec) const override {
    const std::int64_t positions = x_.N * x_.P * x_.Q, depth = x_.R * x_.S * x_.Cg;
    T* totals = exec.workspace<T>();
    for (std::int64_t g = 0; g < x_.groups; ++g) {
      const T* input = exec.input<T>(0) + g * x_.Cg;
      const T* grad_output = exec.input<T>(1) + g * x_.Kg;
      T* grad_weight = exec.output<T>(0) + g * x_.Kg * depth;
      std::fill_n(totals, depth * x_.Kg, T(0));
      for_each_panel<T>(
          positions, x_.Kg, [&](std::int64_t i) { return grad_output + i * x_.K; }, 1,
          [&](const Panel<T>& panel) { add_block(panel, input, totals); });
      for (std::int64_t k = 0; k < x_.Kg; ++k) {
        for (std::int64_t i = 0; i < depth; ++i) {
          T& to = grad_weight[k * depth + i];
          to = op_.accumulate ? to + totals[i * x_.Kg + k] : totals[i * x_.Kg + k];
        }
      }
    }
    if (op_.epilogue.bias) {
      column_sums(exec.input<T>(1), positions, x_.K, op_.accumulate, exec.output<T>(1));
    }
  }

  void add_block(const Panel<T>& panel, const T* input, T* totals) const {
    for (std::int64_t r = 0; r < x_.R; ++r) {
      for (std::int64_t s = 0; s < x_.S; ++s) {
        for (std::int64_t c = 0; c < x_.Cg; c += kRows) {
          const std::int64_t rows = std::min(kRows, x_.Cg - c);
          Tile<T> tile;
          add_positions(panel, input + c, r, s, rows, tile);
          tile.finish(panel, rows, totals + ((r * x_.S + s) * x_.Cg + c) * x_.Kg, x_.Kg);
        }
      }
    }
  }

  /// Adds the positions (n, p, q) of the block at which tap (r, s) lies inside the input.
  void add_positions(const Panel<T>& panel, const T* input, std::int64_t r, std::int64_t s,
                     std::int64_t rows, Tile<T>& tile) const {
    std::int64_t first = 0, last = x_.Q;  // the q inside
    while (first < last && x_.w(first, s) < 0) ++first;
    while (first < last && x_.w(last - 1, s) >= x_.W) --last;

    std::int64_t q = panel.begin % x_.Q, p = panel.begin / x_.Q % x_.P;
    std::int64_t n = panel.begin / x_.Q / x_.P;
    for (std::int64_t i = panel.begin; i < panel.end;) {
      const std::int64_t count = std::min(x_.Q - q, panel.end - i);  // along this line
      const std::int64_t from = std::max(q, first), to = std::min(q + count, last);
      const std::int64_t h = x_.h(p, r);
      if (inside(h, x_.H) && from < to) {
        tile.add(panel, 0, rows, i + from - q, to - from,
                 input + ((n * x_.H + h) * x_.W + x_.w(from, s)) * x_.C, 1,
                 x_.window.stride_w * x_.C);
      }
      i += count;
      q = 0;
      if (++p == x_.P) p = 0, ++n;
    }
  }

  ops::Conv2d op_;
  Extents x_;
};

}  // namespace

std::span<const Entry> conv2d_kernels() {
  static const Entry entries[] = {entry<Conv2dForward>(ops::Conv2d::kForward),
                                  entry<Conv2dBackwardData>(ops::Conv2d::kBackwardData),
                                  entry<Conv2dBackwardWeights>(ops::Conv2d::kBackwardWeights)};
  return entries;
}

}  // namespace soma::reference
