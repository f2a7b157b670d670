#include "copy.hpp"
#include "lane_sums.hpp"
#include "row_norm.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/group_norm.hpp"
#include "soma/sdk/ops/layer_norm.hpp"

namespace soma::common {
namespace {

// Batch and group norm. Letters as in group_norm.hpp: batch norm is one sample of M rows in groups
// of one channel.

// Columns of a piece of work: 1 KiB of each row.
constexpr std::int64_t kStripe = 256;
// Rows that a stripe is cut into, so that memory is read row by row.
constexpr std::int64_t kTileRows = 32;
// Elements that are worth a worker.
constexpr std::int64_t kGrain = 32 * 1024;

float mean_of(float sum, std::int64_t count) {
  return count == 0 ? 0.0f : sum / static_cast<float>(count);
}

class Grouped : public CanonicalKernel {
 protected:
  Grouped(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), batch_(op.id.starts_with("batch_norm/1.")) {
    const Shape& x = op.in(0);
    C = x.back();
    N = batch_ ? 1 : x[0];
    for (int axis = batch_ ? 0 : 1; axis < x.rank() - 1; ++axis) S *= x[axis];
    G = batch_ ? C : ops::GroupNorm::from(op.attributes).groups;
    D = G == 0 ? 0 : C / G;
    blocks_ = column_blocks(S);
    stripes_ = (C + kStripe - 1) / kStripe;
  }

  // sample(n, threads) for all samples: side by side where there are enough of them or they are
  // small, else one after the other on all threads.
  template <class Sample>
  void for_each_sample(int threads, Sample&& sample) const {
    if (N > 1 && (N >= threads || S * C < kGrain)) {
      const std::int64_t grain =
          std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, S * C));
      parallel().run(threads, N, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t n = begin; n < end; ++n) sample(n, 1);
      });
    } else {
      for (std::int64_t n = 0; n < N; ++n) sample(n, threads);
    }
  }

  // body(begin, end) over [0, n), in place on one thread: a sample may be part of a body already.
  template <class Body>
  void split(int threads, std::int64_t n, std::int64_t elements, Body&& body) const {
    if (threads == 1) return n > 0 ? body(std::int64_t{0}, n) : void();
    parallel().run(threads, n,
                   std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, elements)), body);
  }

  // The K column sums of a sample's rows, to by_block [K,blocks,C].
  template <int K, class Term>
  void block_sums(int threads, float* by_block, Term&& term) const {
    const std::int64_t elements = std::min(S, kRowBlock) * std::min(C, kStripe);
    split(threads, blocks_ * stripes_, elements, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t block = i / stripes_, first = i % stripes_ * kStripe;
        const std::int64_t last = std::min(first + kStripe, C);
        float* sums[K];
        for (int k = 0; k < K; ++k) {
          sums[k] = by_block + (k * blocks_ + block) * C;
          zero_floats(sums[k] + first, last - first);
        }
        const std::int64_t end_row = std::min((block + 1) * kRowBlock, S);
        // One register-wide chunk of columns reads its rows in one go.
        const std::int64_t step = last - first <= 4 * kLanes ? kRowBlock : kTileRows;
        for (std::int64_t row = block * kRowBlock; row < end_row; row += step) {
          add_rows<K>(row, std::min(row + step, end_row), first, last, sums, term);
        }
      }
    });
  }

  // step(row * C, c, place) for all elements of a sample, kLanes at a time.
  template <class Step>
  void for_each_element(int threads, Step&& step) const {
    split(threads, S, C, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        for_lanes(C, [&](std::int64_t c, auto place) { step(row * C, c, place); });
      }
    });
  }

  // The canonical reduction over the channels of group g.
  float group_sum(const float* sums, std::int64_t g) const {
    return D == 1 ? 0.0f + sums[g] : canonical_sum(sums + g * D, D);
  }
  void spread(float value, float* channels, std::int64_t g) const {
    std::fill_n(channels + g * D, D, value);
  }

  std::int64_t N, S = 1, C, G, D;
  std::int64_t blocks_, stripes_;
  bool batch_;
};

class GroupedForward final : public Grouped {
 public:
  GroupedForward(const Op& op, const Parallel& parallel)
      : Grouped(op, parallel),
        keeps_(op.purpose == Purpose::train),
        epsilon_(static_cast<float>(op.attributes.real("epsilon", 1e-5))),
        momentum_(op.attributes.real("momentum", 0.1)) {
    if (batch_) {
      const auto norm = ops::BatchNorm::from(op.attributes);
      residual_ = norm.residual_input();
      relu_ = norm.relu;
    }
    floats_per_sample_ = (blocks_ + 3) * C;
    info_.workspace_bytes = static_cast<std::size_t>(N * floats_per_sample_) * sizeof(float);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    for_each_sample(exec.threads(), [&](std::int64_t n, int threads) { sample(exec, n, threads); });
  }

  void sample(const sdk::Exec& exec, std::int64_t n, int threads) const {
    const float* x = exec.input<float>(0) + n * S * C;
    const float *gamma = exec.input<float>(1), *beta = exec.input<float>(2);
    float* y = exec.output<float>(0) + n * S * C;
    float* mean = exec.workspace<float>() + n * floats_per_sample_;
    float *scale = mean + C, *sums = scale + C, *by_block = sums + C;
    if (batch_ && !keeps_) {
      copy_floats(exec.input<float>(3), mean, C);
      for (std::int64_t c = 0; c < C; ++c) {
        scale[c] = gamma[c] * inverse_deviation(exec.input<float>(4)[c]);
      }
    } else {
      // Pass 1: the means.
      block_sums<1>(threads, by_block, [&](std::int64_t s, std::int64_t c, auto at) {
        return std::array{at.load(x + s * C + c)};
      });
      add_block_sums(by_block, blocks_, C, false, sums);
      for (std::int64_t g = 0; g < G; ++g) spread(mean_of(group_sum(sums, g), S * D), mean, g);
      // Pass 2: the variances.
      block_sums<1>(threads, by_block, [&](std::int64_t s, std::int64_t c, auto at) {
        const Lanes d = at.load(x + s * C + c) - at.load(mean + c);
        return std::array{Lanes(d * d)};
      });
      add_block_sums(by_block, blocks_, C, false, sums);
      for (std::int64_t g = 0; g < G; ++g) {
        const float inv_dev = inverse_deviation(mean_of(group_sum(sums, g), S * D));
        if (keeps_) exec.output<float>(2)[n * G + g] = inv_dev;
        if (keeps_) exec.output<float>(1)[n * G + g] = D == 0 ? 0.0f : mean[g * D];
        for (std::int64_t c = g * D; c < (g + 1) * D; ++c) scale[c] = gamma[c] * inv_dev;
      }
      if (batch_) update_statistics(exec, mean, sums);
    }
    // Pass 3: the results.
    const float* residual = residual_ < 0 ? nullptr : exec.input<float>(residual_);
    const auto store = [&](auto finish) {
      for_each_element(threads, [&](std::int64_t row, std::int64_t c, auto at) {
        const Lanes d = at.load(x + row + c) - at.load(mean + c);
        const Lanes v = fma(d, at.load(scale + c), at.load(beta + c));
        at.store(finish(v, row + c, at), y + row + c);
      });
    };
    if (residual != nullptr) {
      store([&](Lanes v, std::int64_t i, auto at) {
        const Lanes sum = v + at.load(residual + i);
        return relu_ ? math::relu(sum) : sum;
      });
    } else if (relu_) {
      store([](Lanes v, std::int64_t, auto) { return math::relu(v); });
    } else {
      store([](Lanes v, std::int64_t, auto) { return v; });
    }
  }

  float inverse_deviation(float variance) const {
    return 1.0f / sqrt(math::F32(variance + epsilon_)).v;
  }

  void update_statistics(const sdk::Exec& exec, const float* mean, const float* squares) const {
    const float *old_mean = exec.input<float>(3), *old_var = exec.input<float>(4);
    float *new_mean = exec.output<float>(3), *new_var = exec.output<float>(4);
    const Lanes count(std::max<std::int64_t>(1, S - 1));
    const Lanes share(momentum_), rest(1 - momentum_);
    for_lanes(C, [&](std::int64_t c, auto at) {
      Lanes m = at.load(old_mean + c), v = at.load(old_var + c);
      if (S > 0) {
        m = fma(share, at.load(mean + c), rest * m);
        v = fma(share, at.load(squares + c) / count, rest * v);
      }
      at.store(m, new_mean + c);
      at.store(v, new_var + c);
    });
  }

  bool keeps_;
  float epsilon_;
  double momentum_;
  int residual_ = -1;
  bool relu_ = false;
  std::int64_t floats_per_sample_;
};

class GroupedBackward final : public Grouped {
 public:
  GroupedBackward(const Op& op, const Parallel& parallel)
      : Grouped(op, parallel),
        y_(batch_ ? ops::BatchNorm::from(op.attributes).y_input() : -1),
        to_residual_(op.outputs.size() > 3) {
    floats_per_sample_ = (2 * blocks_ + 4) * C;
    const std::int64_t floats = N * (floats_per_sample_ + 2 * C);
    info_.workspace_bytes =
        static_cast<std::size_t>(floats) * sizeof(float) + column_sums_bytes(N, C);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    auto* p = exec.workspace<float>();
    float* q = p + N * C;
    float* rest = q + N * C;
    for_each_sample(exec.threads(), [&](std::int64_t n, int threads) {
      sample(exec, n, threads, p + n * C, q + n * C, rest + n * floats_per_sample_);
    });
    float* partial = rest + N * floats_per_sample_;
    column_sums(parallel(), exec.threads(), q, N, C, false, exec.output<float>(1), partial);
    column_sums(parallel(), exec.threads(), p, N, C, false, exec.output<float>(2), partial);
  }

  void sample(const sdk::Exec& exec, std::int64_t n, int threads, float* p, float* q,
              float* workspace) const {
    const float* x = exec.input<float>(0) + n * S * C;
    const float* gamma = exec.input<float>(1);
    const float* group_mean = exec.input<float>(2) + n * G;
    const float* inv_dev = exec.input<float>(3) + n * G;
    const float* grad_y = exec.input<float>(y_ < 0 ? 4 : 5) + n * S * C;
    const float* y = y_ < 0 ? nullptr : exec.input<float>(y_);
    float* to_residual = to_residual_ ? exec.output<float>(3) : nullptr;
    float* grad_x = exec.output<float>(0) + n * S * C;
    float *mean = workspace, *scale = mean + C, *a = scale + C, *b = a + C, *by_block = b + C;
    for (std::int64_t g = 0; g < G; ++g) spread(group_mean[g], mean, g);
    // What comes through the relu.
    const auto passed = [&](std::int64_t i, auto at) {
      return select(Lanes(0) < at.load(y + i), at.load(grad_y + i), Lanes(0));
    };
    // Pass 1: the sums of each channel.
    const auto sum_up = [&](auto grad_of) {
      block_sums<2>(threads, by_block, [&](std::int64_t s, std::int64_t c, auto at) {
        const Lanes grad = grad_of(s * C + c, at);
        const Lanes d = at.load(x + s * C + c) - at.load(mean + c);
        return std::array<Lanes, 2>{grad, grad * d};
      });
    };
    if (y == nullptr) {
      sum_up([&](std::int64_t i, auto at) { return at.load(grad_y + i); });
    } else if (to_residual == nullptr) {
      sum_up(passed);
    } else {
      sum_up([&](std::int64_t i, auto at) {
        const Lanes grad = passed(i, at);
        at.store(grad, to_residual + i);
        return grad;
      });
    }
    add_block_sums(by_block, blocks_, C, false, p);
    add_block_sums(by_block + blocks_ * C, blocks_, C, false, q);
    // What a channel's elements share; a and b hold products first.
    for (std::int64_t c = 0; c < C; ++c) {
      const float inverse = inv_dev[c / D];
      q[c] *= inverse;
      scale[c] = gamma[c] * inverse;
      a[c] = p[c] * gamma[c];
      b[c] = q[c] * gamma[c];
    }
    for (std::int64_t g = 0; g < G; ++g) {
      const float share = inv_dev[g] / static_cast<float>(S * D);
      spread(group_sum(a, g) * share, a, g);
      spread(group_sum(b, g) * share * inv_dev[g], b, g);
    }
    // Pass 2: the gradient.
    const auto differentiate = [&](auto grad_of) {
      for_each_element(threads, [&](std::int64_t row, std::int64_t c, auto at) {
        const Lanes d = at.load(x + row + c) - at.load(mean + c);
        const Lanes from_y = fma(grad_of(row + c, at), at.load(scale + c), -at.load(a + c));
        at.store(fma(-d, at.load(b + c), from_y), grad_x + row + c);
      });
    };
    if (y != nullptr && to_residual == nullptr) {
      differentiate(passed);
    } else {
      const float* grad = to_residual != nullptr ? to_residual : grad_y;
      differentiate([&](std::int64_t i, auto at) { return at.load(grad + i); });
    }
  }

  int y_;
  bool to_residual_;
  std::int64_t floats_per_sample_;
};

template <class Kernel>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<Kernel>(op, parallel);
}

}  // namespace

std::span<const Entry> normalization_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::BatchNorm::kForward, &make<GroupedForward>},
      {ops::BatchNorm::kBackward, &make<GroupedBackward>},
      {ops::GroupNorm::kForward, &make<GroupedForward>},
      {ops::GroupNorm::kBackward, &make<GroupedBackward>},
      {ops::RowNorm::kLayerForward, &make_row_norm},
      {ops::RowNorm::kLayerBackward, &make_row_norm},
      {ops::RowNorm::kRmsForward, &make_row_norm},
      {ops::RowNorm::kRmsBackward, &make_row_norm},
  };
  return kEntries;
}

}  // namespace soma::common
