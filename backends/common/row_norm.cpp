#include "row_norm.hpp"

#include "copy.hpp"
#include "lane_sums.hpp"
#include "soma/sdk/ops/layer_norm.hpp"

namespace soma::common {
namespace {

// Layer and RMS norm: M rows of C.

// Elements that are worth a worker.
constexpr std::int64_t kGrain = 16 * 1024;
// Elements of x and grad_y that stay in cache between the sums over rows and the gradient of x.
constexpr std::int64_t kTile = 4 * 1024;
// Columns of a piece of work where blocks of rows are too few.
constexpr std::int64_t kStripe = 128;

class RowNorm : public CanonicalKernel {
 protected:
  RowNorm(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), norm_(ops::RowNorm::from(op)), C(op.in(0).back()) {
    for (int axis = 0; axis < op.in(0).rank() - 1; ++axis) M *= op.in(0)[axis];
    count_ = static_cast<float>(std::max<std::int64_t>(1, C));  // of no elements the mean is 0 / 1
  }
  std::int64_t rows_of(std::int64_t elements) const {
    return std::max<std::int64_t>(1, elements / std::max<std::int64_t>(1, C));
  }

  ops::RowNorm norm_;
  std::int64_t M = 1, C;
  float count_;
};

class RowForward final : public RowNorm {
 public:
  RowForward(const Op& op, const Parallel& parallel)
      : RowNorm(op, parallel), keeps_(op.purpose == Purpose::train) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    parallel().run(exec.threads(), M, rows_of(kGrain), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t m = begin; m < end; ++m)
        norm_.centred ? row<true>(exec, m) : row<false>(exec, m);
    });
  }

  template <bool centred>
  void row(const sdk::Exec& exec, std::int64_t m) const {
    const float* x = exec.input<float>(0) + m * C;
    float mean = 0;
    if constexpr (centred) mean = canonical_sum(x, C) / count_;
    const auto d = [x, shift = Lanes(mean)](std::int64_t c, auto at) {
      if constexpr (centred) return Lanes(at.load(x + c) - shift);
      return at.load(x + c);
    };
    const float squares = lane_sums<1>(C, [&](std::int64_t c, auto at) {
      const Lanes v = d(c, at);
      return std::array{Lanes(v * v)};
    })[0];
    const float variance = squares / count_;
    const float inv_dev = 1.0f / sqrt(math::F32(variance + static_cast<float>(norm_.epsilon))).v;
    if (keeps_) {
      if constexpr (centred) exec.output<float>(1)[m] = mean;
      exec.output<float>(centred ? 2 : 1)[m] = inv_dev;
    }
    const float* gamma = norm_.scale ? exec.input<float>(1) : nullptr;
    const float* beta = norm_.shift ? exec.input<float>(norm_.scale ? 2 : 1) : nullptr;
    float* y = exec.output<float>(0) + m * C;
    const auto store = [&](auto f) {
      for_lanes(C, [&, scale = Lanes(inv_dev)](std::int64_t c, auto at) {
        at.store(f(Lanes(d(c, at) * scale), c, at), y + c);
      });
    };
    if (gamma != nullptr && beta != nullptr) {
      store([&](Lanes xhat, std::int64_t c, auto at) {
        return fma(xhat, at.load(gamma + c), at.load(beta + c));
      });
    } else if (gamma != nullptr) {
      store([&](Lanes xhat, std::int64_t c, auto at) { return xhat * at.load(gamma + c); });
    } else if (beta != nullptr) {
      store([&](Lanes xhat, std::int64_t c, auto at) { return xhat + at.load(beta + c); });
    } else {
      store([](Lanes xhat, std::int64_t, auto) { return xhat; });
    }
  }

  bool keeps_;
};

class RowBackward final : public RowNorm {
 public:
  RowBackward(const Op& op, const Parallel& parallel)
      : RowNorm(op, parallel), blocks_(column_blocks(M)) {
    const int sums = (norm_.scale ? 1 : 0) + (norm_.shift ? 1 : 0);
    info_.workspace_bytes = static_cast<std::size_t>(sums * blocks_ * C) * sizeof(float);
  }

 private:
  struct Operands {
    const float *x, *gamma, *mean, *inv_dev, *grad_y;
    float *grad_x, *gamma_sums, *beta_sums;  // sums of each block [blocks,C]; null: not wanted
  };

  void compute(const sdk::Exec& exec) const override {
    int input = 1, output = 1;
    Operands o{};
    o.x = exec.input<float>(0);
    if (norm_.scale) o.gamma = exec.input<float>(input++);
    if (norm_.centred) o.mean = exec.input<float>(input++);
    o.inv_dev = exec.input<float>(input++);
    o.grad_y = exec.input<float>(input);
    o.grad_x = exec.output<float>(0);
    auto* workspace = exec.workspace<float>();
    if (norm_.scale) o.gamma_sums = workspace;
    if (norm_.shift) o.beta_sums = workspace + (norm_.scale ? blocks_ * C : 0);

    norm_.centred ? run<true>(exec.threads(), o) : run<false>(exec.threads(), o);
    if (norm_.scale) {
      add_block_sums(o.gamma_sums, blocks_, C, false, exec.output<float>(output++));
    }
    if (norm_.shift) add_block_sums(o.beta_sums, blocks_, C, false, exec.output<float>(output));
  }

  template <bool centred>
  void run(int threads, const Operands& o) const {
    // grad_x may be grad_y: the sums over rows come first, of each tile or of all.
    if (blocks_ >= threads) {
      const std::int64_t grain = std::max<std::int64_t>(1, rows_of(kGrain) / kRowBlock);
      parallel().run(threads, blocks_, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t block = begin; block < end; ++block) {
          zero_sums(o, block, 0, C);
          const std::int64_t last = std::min((block + 1) * kRowBlock, M), step = rows_of(kTile);
          for (std::int64_t m = block * kRowBlock; m < last; m += step) {
            add_to_sums<centred>(o, block, m, std::min(m + step, last), 0, C);
            for (std::int64_t i = m; i < std::min(m + step, last); ++i) row<centred>(o, i);
          }
        }
      });
      return;
    }
    const std::int64_t stripes = (C + kStripe - 1) / kStripe;
    const std::int64_t block_rows = std::min(M, kRowBlock);
    const std::int64_t grain = std::max<std::int64_t>(
        1, kGrain / std::max<std::int64_t>(1, block_rows * std::min(C, kStripe)));
    parallel().run(threads, blocks_ * stripes, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t block = i / stripes, first = i % stripes * kStripe;
        const std::int64_t last = std::min(first + kStripe, C);
        zero_sums(o, block, first, last);
        add_to_sums<centred>(o, block, block * kRowBlock, std::min((block + 1) * kRowBlock, M),
                             first, last);
      }
    });
    parallel().run(threads, M, rows_of(kGrain), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t m = begin; m < end; ++m) row<centred>(o, m);
    });
  }

  void zero_sums(const Operands& o, std::int64_t block, std::int64_t first,
                 std::int64_t last) const {
    for (float* sums : {o.gamma_sums, o.beta_sums}) {
      if (sums != nullptr) zero_floats(sums + block * C + first, last - first);
    }
  }

  template <bool centred>
  Lanes xhat(const Operands& o, std::int64_t m, std::int64_t c, auto at) const {
    const Lanes x = at.load(o.x + m * C + c);
    if constexpr (centred) return (x - Lanes(o.mean[m])) * Lanes(o.inv_dev[m]);
    return x * Lanes(o.inv_dev[m]);
  }

  template <bool centred>
  void add_to_sums(const Operands& o, std::int64_t block, std::int64_t first_row,
                   std::int64_t last_row, std::int64_t first, std::int64_t last) const {
    const auto of_gamma = [&](std::int64_t m, std::int64_t c, auto at) {
      return Lanes(at.load(o.grad_y + m * C + c) * xhat<centred>(o, m, c, at));
    };
    const auto of_beta = [&](std::int64_t m, std::int64_t c, auto at) {
      return at.load(o.grad_y + m * C + c);
    };
    if (o.gamma_sums != nullptr && o.beta_sums != nullptr) {
      float* const sums[] = {o.gamma_sums + block * C, o.beta_sums + block * C};
      add_rows<2>(first_row, last_row, first, last, sums,
                  [&](std::int64_t m, std::int64_t c, auto at) {
                    return std::array<Lanes, 2>{of_gamma(m, c, at), of_beta(m, c, at)};
                  });
    } else if (o.gamma_sums != nullptr) {
      float* const sums[] = {o.gamma_sums + block * C};
      add_rows<1>(
          first_row, last_row, first, last, sums,
          [&](std::int64_t m, std::int64_t c, auto at) { return std::array{of_gamma(m, c, at)}; });
    } else if (o.beta_sums != nullptr) {
      float* const sums[] = {o.beta_sums + block * C};
      add_rows<1>(
          first_row, last_row, first, last, sums,
          [&](std::int64_t m, std::int64_t c, auto at) { return std::array{of_beta(m, c, at)}; });
    }
  }

  template <bool centred>
  void row(const Operands& o, std::int64_t m) const {
    if (o.gamma != nullptr) {
      row<centred>(o, m, [&](std::int64_t c, auto at) {
        return Lanes(at.load(o.grad_y + m * C + c) * at.load(o.gamma + c));
      });
    } else {
      row<centred>(o, m, [&](std::int64_t c, auto at) { return at.load(o.grad_y + m * C + c); });
    }
  }

  // g(c, place): the gradient of xhat.
  template <bool centred>
  void row(const Operands& o, std::int64_t m, auto g) const {
    const auto sums = lane_sums<2>(C, [&](std::int64_t c, auto at) {
      const Lanes grad = g(c, at);
      return std::array<Lanes, 2>{grad * xhat<centred>(o, m, c, at), grad};
    });
    const Lanes b(-(sums[0] / count_)), a(sums[1] / count_), inv_dev(o.inv_dev[m]);
    for_lanes(C, [&](std::int64_t c, auto at) {
      Lanes grad = g(c, at);
      if constexpr (centred) grad = grad - a;
      at.store(fma(b, xhat<centred>(o, m, c, at), grad) * inv_dev, o.grad_x + m * C + c);
    });
  }

  std::int64_t blocks_;
};

}  // namespace

KernelPtr make_row_norm(const Op& op, const Parallel& parallel) {
  if (op.direction() == "fwd") return std::make_unique<RowForward>(op, parallel);
  return std::make_unique<RowBackward>(op, parallel);
}

}  // namespace soma::common
