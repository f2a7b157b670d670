#include <vector>

#include "kernels.hpp"
#include "reductions.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/group_norm.hpp"
#include "soma/sdk/ops/layer_norm.hpp"

namespace soma::reference {
namespace {

/// Column sums of term(row, c) over `rows` rows: blocks of 512.
template <class T, class Term>
void column_sums_of(std::int64_t rows, std::int64_t columns, T* sums, Term&& term) {
  constexpr std::int64_t kBlock = 512;
  std::vector<T> block(static_cast<std::size_t>(columns));
  std::fill_n(sums, columns, T(0));
  for (std::int64_t begin = 0; begin < rows; begin += kBlock) {
    std::fill(block.begin(), block.end(), T(0));
    for (std::int64_t row = begin; row < std::min(begin + kBlock, rows); ++row) {
      for (std::int64_t c = 0; c < columns; ++c) block[static_cast<std::size_t>(c)] += term(row, c);
    }
    for (std::int64_t c = 0; c < columns; ++c) sums[c] += block[static_cast<std::size_t>(c)];
  }
}

/// A mean over `count` terms; 0 of none.
template <class T>
T mean_of(T sum, std::int64_t count) {
  return count == 0 ? T(0) : sum / static_cast<T>(count);
}

template <class T>
T inverse_deviation(T variance, double epsilon) {
  return T(1) / math::sqrt(variance + static_cast<T>(epsilon));
}

/// Batch and group norm. Letters as in group_norm.hpp: batch norm is one sample of M rows in groups
/// of one channel.
struct Grouped {
  explicit Grouped(const Op& op) : batch(op.id.starts_with("batch_norm/1.")) {
    const Shape& x = op.in(0);
    C = x.back();
    N = batch ? 1 : x[0];
    S = 1;
    for (int axis = batch ? 0 : 1; axis < x.rank() - 1; ++axis) S *= x[axis];
    G = batch ? C : ops::GroupNorm::from(op.attributes).groups;
    D = G == 0 ? 0 : C / G;
  }
  std::int64_t group_of(std::int64_t c) const { return c / D; }

  bool batch;
  std::int64_t N, S, C, G, D;
};

template <class T>
class GroupedForward final : public LoopKernel<T> {
 public:
  explicit GroupedForward(const Op& op)
      : z_(op),
        keeps_(op.purpose == Purpose::train),
        epsilon_(op.attributes.real("epsilon", 1e-5)),
        momentum_(op.attributes.real("momentum", 0.1)) {
    if (!z_.batch) return;
    const auto norm = ops::BatchNorm::from(op.attributes);
    residual_ = norm.residual_input();
    relu_ = norm.relu;
  }

 private:
  using Numbers = std::vector<T>;

  void run(const sdk::Exec& exec) const override {
    const auto [batch, N, S, C, G, D] = z_;
    const T* x = exec.input<T>(0);
    Numbers sums(static_cast<std::size_t>(C)), mean(static_cast<std::size_t>(G)), inv_dev(mean);
    for (std::int64_t n = 0; n < N; ++n) {
      const T* sample = x + n * S * C;
      if (batch && !keeps_) {
        std::copy_n(exec.input<T>(3), C, mean.begin());
        std::copy_n(exec.input<T>(4), C, sums.begin());
      } else {
        column_sums_of<T>(S, C, sums.data(),
                          [&](std::int64_t s, std::int64_t c) { return sample[s * C + c]; });
        to_groups(sums, mean);
        for (T& m : mean) m = mean_of(m, S * D);
        column_sums_of<T>(S, C, sums.data(), [&](std::int64_t s, std::int64_t c) {
          const T d = sample[s * C + c] - at(mean, z_.group_of(c));
          return d * d;
        });
      }
      if (keeps_ && batch) update_statistics(exec, mean, sums);
      if (!batch || keeps_) {
        to_groups(sums, inv_dev);
        for (T& v : inv_dev) v = inverse_deviation(mean_of(v, S * D), epsilon_);
      } else {
        for (std::size_t c = 0; c < sums.size(); ++c) {
          inv_dev[c] = inverse_deviation(sums[c], epsilon_);
        }
      }
      if (keeps_) {
        std::ranges::copy(mean, exec.output<T>(1) + n * G);
        std::ranges::copy(inv_dev, exec.output<T>(2) + n * G);
      }
      normalize(exec, n, mean, inv_dev);
    }
  }

  static T at(const Numbers& values, std::int64_t i) { return values[static_cast<std::size_t>(i)]; }

  void to_groups(const Numbers& sums, Numbers& groups) const {
    for (std::int64_t g = 0; g < z_.G; ++g) {
      groups[static_cast<std::size_t>(g)] =
          canonical_sum<T>(z_.D, [&](std::int64_t j) { return at(sums, g * z_.D + j); });
    }
  }

  void normalize(const sdk::Exec& exec, std::int64_t n, const Numbers& mean,
                 const Numbers& inv_dev) const {
    const T *gamma = exec.input<T>(1), *beta = exec.input<T>(2);
    for (std::int64_t s = 0; s < z_.S; ++s) {
      const T* x = exec.input<T>(0) + (n * z_.S + s) * z_.C;
      T* y = exec.output<T>(0) + (n * z_.S + s) * z_.C;
      for (std::int64_t c = 0; c < z_.C; ++c) {
        const std::int64_t g = z_.group_of(c);
        y[c] = std::fma(x[c] - at(mean, g), gamma[c] * at(inv_dev, g), beta[c]);
        if (residual_ >= 0) y[c] += exec.input<T>(residual_)[(n * z_.S + s) * z_.C + c];
        if (relu_) y[c] = math::relu(y[c]);
      }
    }
  }

  void update_statistics(const sdk::Exec& exec, const Numbers& mean, const Numbers& squares) const {
    const T *old_mean = exec.input<T>(3), *old_var = exec.input<T>(4);
    T *new_mean = exec.output<T>(3), *new_var = exec.output<T>(4);
    const T share = static_cast<T>(momentum_), rest = static_cast<T>(1 - momentum_);
    for (std::int64_t c = 0; c < z_.C; ++c) {
      if (z_.S == 0) {
        new_mean[c] = old_mean[c];
        new_var[c] = old_var[c];
        continue;
      }
      const T unbiased = at(squares, c) / static_cast<T>(std::max<std::int64_t>(1, z_.S - 1));
      new_mean[c] = std::fma(share, at(mean, c), rest * old_mean[c]);
      new_var[c] = std::fma(share, unbiased, rest * old_var[c]);
    }
  }

  Grouped z_;
  bool keeps_;
  double epsilon_, momentum_;
  int residual_ = -1;
  bool relu_ = false;
};

template <class T>
class GroupedBackward final : public LoopKernel<T> {
 public:
  explicit GroupedBackward(const Op& op)
      : z_(op),
        y_(z_.batch ? ops::BatchNorm::from(op.attributes).y_input() : -1),
        to_residual_(op.outputs.size() > 3) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const auto [batch, N, S, C, G, D] = z_;
    const T *gamma = exec.input<T>(1), *mean = exec.input<T>(2), *inv_dev = exec.input<T>(3);
    std::vector<T> p(static_cast<std::size_t>(N * C)), q(p);
    const T* all_grad = exec.input<T>(y_ < 0 ? 4 : 5);
    std::vector<T> masked;
    if (y_ >= 0) {
      const T* y = exec.input<T>(y_);
      masked.assign(all_grad, all_grad + N * S * C);
      for (std::size_t i = 0; i < masked.size(); ++i) {
        if (!(y[i] > T(0))) masked[i] = T(0);
      }
      all_grad = masked.data();
      if (to_residual_) std::ranges::copy(masked, exec.output<T>(3));
    }
    for (std::int64_t n = 0; n < N; ++n) {
      const T* x = exec.input<T>(0) + n * S * C;
      const T* grad_y = all_grad + n * S * C;
      T* grad_x = exec.output<T>(0) + n * S * C;
      T *pn = p.data() + n * C, *qn = q.data() + n * C;
      const auto group = [&, n = n, G = G](std::int64_t c) { return n * G + z_.group_of(c); };
      column_sums_of<T>(S, C, pn,
                        [&, C = C](std::int64_t s, std::int64_t c) { return grad_y[s * C + c]; });
      column_sums_of<T>(S, C, qn, [&, C = C](std::int64_t s, std::int64_t c) {
        return grad_y[s * C + c] * (x[s * C + c] - mean[group(c)]);
      });
      for (std::int64_t c = 0; c < C; ++c) qn[c] *= inv_dev[group(c)];
      for (std::int64_t g = 0; g < G; ++g) {
        const std::int64_t first = g * D;
        const T inverse = inv_dev[n * G + g], share = inverse / static_cast<T>(S * D);
        const auto sum_of = [&, D = D](const T* of) {
          return canonical_sum<T>(D,
                                  [&](std::int64_t j) { return of[first + j] * gamma[first + j]; });
        };
        const T a = sum_of(pn) * share, b = sum_of(qn) * share * inverse;
        for (std::int64_t s = 0; s < S; ++s) {
          for (std::int64_t c = first; c < first + D; ++c) {
            const std::int64_t i = s * C + c;
            grad_x[i] =
                std::fma(-(x[i] - mean[n * G + g]), b, std::fma(grad_y[i], gamma[c] * inverse, -a));
          }
        }
      }
    }
    column_sums(q.data(), N, C, false, exec.output<T>(1));
    column_sums(p.data(), N, C, false, exec.output<T>(2));
  }

  Grouped z_;
  int y_;
  bool to_residual_;
};

/// Layer and RMS norm. M rows of C.
template <class T>
class RowForward final : public LoopKernel<T> {
 public:
  explicit RowForward(const Op& op)
      : norm_(ops::RowNorm::from(op)),
        keeps_(op.purpose == Purpose::train),
        c_(op.in(0).back()),
        m_(1) {
    for (int axis = 0; axis < op.in(0).rank() - 1; ++axis) m_ *= op.in(0)[axis];
  }

 private:
  void run(const sdk::Exec& exec) const override {
    const T* gamma = norm_.scale ? exec.input<T>(1) : nullptr;
    const T* beta = norm_.shift ? exec.input<T>(norm_.scale ? 2 : 1) : nullptr;
    for (std::int64_t m = 0; m < m_; ++m) {
      const T* x = exec.input<T>(0) + m * c_;
      T* y = exec.output<T>(0) + m * c_;
      const T mean = norm_.centred
                         ? mean_of(canonical_sum<T>(c_, [&](std::int64_t c) { return x[c]; }), c_)
                         : T(0);
      const auto d = [&](std::int64_t c) { return norm_.centred ? x[c] - mean : x[c]; };
      const T squares = canonical_sum<T>(c_, [&](std::int64_t c) { return d(c) * d(c); });
      const T inv_dev = inverse_deviation(mean_of(squares, c_), norm_.epsilon);
      if (keeps_ && norm_.centred) exec.output<T>(1)[m] = mean;
      if (keeps_) exec.output<T>(norm_.centred ? 2 : 1)[m] = inv_dev;
      for (std::int64_t c = 0; c < c_; ++c) {
        const T xhat = d(c) * inv_dev;
        if (gamma != nullptr) {
          y[c] = beta != nullptr ? std::fma(xhat, gamma[c], beta[c]) : xhat * gamma[c];
        } else {
          y[c] = beta != nullptr ? xhat + beta[c] : xhat;
        }
      }
    }
  }

  ops::RowNorm norm_;
  bool keeps_;
  std::int64_t c_, m_;
};

template <class T>
class RowBackward final : public LoopKernel<T> {
 public:
  explicit RowBackward(const Op& op) : norm_(ops::RowNorm::from(op)), c_(op.in(0).back()), m_(1) {
    for (int axis = 0; axis < op.in(0).rank() - 1; ++axis) m_ *= op.in(0)[axis];
  }

 private:
  void run(const sdk::Exec& exec) const override {
    int input = 1, output = 1;
    const T* x = exec.input<T>(0);
    const T* gamma = norm_.scale ? exec.input<T>(input++) : nullptr;
    const T* mean = norm_.centred ? exec.input<T>(input++) : nullptr;
    const T* inv_dev = exec.input<T>(input++);
    const T* grad_y = exec.input<T>(input);
    T* grad_x = exec.output<T>(0);
    const auto xhat = [&](std::int64_t m, std::int64_t c) {
      const T value = x[m * c_ + c];
      return (mean != nullptr ? value - mean[m] : value) * inv_dev[m];
    };
    if (norm_.scale) {
      column_sums_of<T>(m_, c_, exec.output<T>(output++), [&](std::int64_t m, std::int64_t c) {
        return grad_y[m * c_ + c] * xhat(m, c);
      });
    }
    if (norm_.shift) column_sums(grad_y, m_, c_, false, exec.output<T>(output));
    for (std::int64_t m = 0; m < m_; ++m) {
      const auto g = [&](std::int64_t c) {
        const T value = grad_y[m * c_ + c];
        return gamma != nullptr ? value * gamma[c] : value;
      };
      const T b =
          mean_of(canonical_sum<T>(c_, [&](std::int64_t c) { return g(c) * xhat(m, c); }), c_);
      const T a = mean != nullptr ? mean_of(canonical_sum<T>(c_, g), c_) : T(0);
      for (std::int64_t c = 0; c < c_; ++c) {
        const T centred = mean != nullptr ? g(c) - a : g(c);
        grad_x[m * c_ + c] = std::fma(-b, xhat(m, c), centred) * inv_dev[m];
      }
    }
  }

  ops::RowNorm norm_;
  std::int64_t c_, m_;
};

}  // namespace

std::span<const Entry> normalization_kernels() {
  static const Entry entries[] = {entry<GroupedForward>(ops::BatchNorm::kForward),
                                  entry<GroupedBackward>(ops::BatchNorm::kBackward),
                                  entry<GroupedForward>(ops::GroupNorm::kForward),
                                  entry<GroupedBackward>(ops::GroupNorm::kBackward),
                                  entry<RowForward>(ops::RowNorm::kLayerForward),
                                  entry<RowBackward>(ops::RowNorm::kLayerBackward),
                                  entry<RowForward>(ops::RowNorm::kRmsForward),
                                  entry<RowBackward>(ops::RowNorm::kRmsBackward)};
  return entries;
}

}  // namespace soma::reference
