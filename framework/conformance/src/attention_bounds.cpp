#include "attention_bounds.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace soma::conformance {
namespace {

// Letters as in the op's header; i runs over queries, j over keys. All limits are first-order
// rounding analysis step by step, each step's error carried into the next; see numerics.md.

using ops::Attention;
using Place = Attention::Layout::Place;

struct Sum {
  double value = 0, size = 0;  // of the terms and of their absolute values
};

Sum dot(const double* a, const double* b, std::int64_t n) {
  Sum sum;
  for (std::int64_t x = 0; x < n; ++x) {
    sum.value += a[x] * b[x];
    sum.size += std::abs(a[x] * b[x]);
  }
  return sum;
}

/// Where an intermediate may overflow float32, any class may come of it.
double magnitude_of(double own, double intermediate) {
  return intermediate > double{FLT_MAX} / 4 ? std::max(own, intermediate) : own;
}

/// The softmax of one query from its scores and their limits: limits of its probabilities.
/// With scores off by at most d[j], p[j] changes by a factor of at most
/// exp(d[j]) * sum of p * exp(d) (Jensen: the inverse of the mean is at most the mean of the
/// inverse); the softmax of those scores has its own bound, at a distance from the maximum that
/// grew by d[j] + max(d). Both lie in [0, 1] but for the last roundings.
std::vector<double> probability_limits(const std::vector<double>& scores,
                                       const std::vector<double>& d) {
  std::vector<double> limits(scores.size());
  double most = -INFINITY, most_d = 0, sum = 0, spread = 0;
  for (std::size_t n = 0; n < scores.size(); ++n) {
    most = std::max(most, scores[n]);
    most_d = std::max(most_d, d[n]);
  }
  for (const double s : scores) sum += std::exp(s - most);
  for (std::size_t n = 0; n < scores.size(); ++n) {
    spread += std::exp(scores[n] - most + d[n]) / sum;
  }
  for (std::size_t n = 0; n < scores.size(); ++n) {
    const double p = std::exp(scores[n] - most) / sum;
    const double moved = std::exp(scores[n] - most + d[n]) / sum * spread;
    const double distance = most - scores[n] + d[n] + most_d;
    const double limit = (moved - p) + 4 * kU * moved * (4 + distance);
    limits[n] = (limit <= 1 ? limit : 1 + 16 * kU) + kTiny;
  }
  return limits;
}

void bound_forward(const Op& op, const Operands& operands, Fill fill,
                   std::vector<Expected>& result) {
  const AttentionHeads heads(op, operands);
  const auto& l = heads.l;
  const double scale = l.scale;
  for (std::int64_t b = 0; b < l.batch; ++b) {
    for (std::int64_t h = 0; h < l.heads; ++h) {
      for (std::int64_t i = 0; i < l.queries; ++i) {
        std::vector<std::int64_t> seen;
        std::vector<double> scores, d;
        double largest = 0;
        for (std::int64_t j = 0; j < l.keys; ++j) {
          if (!heads.visible(b, i, j)) continue;
          const Sum sum = dot(heads.at(l.q, b, h, i, l.key_width),
                              heads.at(l.k, b, h, j, l.key_width), l.key_width);
          seen.push_back(j);
          scores.push_back(sum.value * scale);
          d.push_back(scale *
                          contraction_limit(static_cast<double>(l.key_width), 1, sum.size, fill) +
                      kTiny);
          largest = std::max(largest, sum.size * std::max(1.0, scale));
        }
        const std::vector<double> p_limits = probability_limits(scores, d);
        std::vector<double> p(seen.size());
        double most = -INFINITY, total = 0;
        for (const double s : scores) most = std::max(most, s);
        for (const double s : scores) total += std::exp(s - most);
        for (std::size_t n = 0; n < seen.size(); ++n) p[n] = std::exp(scores[n] - most) / total;
        for (std::size_t n = 0; l.probabilities >= 0 && n < seen.size(); ++n) {
          Expected& e = result[1];
          const std::size_t at = heads.pair(b, h, i, seen[n]);
          e.limit[at] = p_limits[n];
          e.magnitude[at] = magnitude_of(e.magnitude[at], largest);
        }
        const std::size_t y = heads.row(l.y, b, h, i, l.value_width);
        for (std::int64_t x = 0; x < l.value_width; ++x) {
          double size = 0, carried = 0;
          for (std::size_t n = 0; n < seen.size(); ++n) {
            const double v = std::abs(heads.at(l.v, b, h, seen[n], l.value_width)[x]);
            carried += p_limits[n] * v;
            size += (p[n] + p_limits[n]) * v;
          }
          Expected& e = result[0];
          const std::size_t at = y + static_cast<std::size_t>(x);
          e.limit[at] =
              carried + contraction_limit(static_cast<double>(seen.size()), 0, size, fill);
          e.magnitude[at] = magnitude_of(size, largest);
        }
      }
    }
  }
}

/// One head's ds with limits, and the largest intermediate of each query.
struct ScoreGradients {
  std::vector<double> ds, limit, largest;  // [Tq,Tk], [Tq,Tk], [Tq]
};

ScoreGradients score_gradients(const AttentionHeads& heads, std::int64_t b, std::int64_t h,
                               Fill fill) {
  const auto& l = heads.l;
  const double scale = l.scale;
  const auto& p = heads.inputs[static_cast<std::size_t>(l.probabilities)];
  const auto pairs = static_cast<std::size_t>(l.queries * l.keys);
  ScoreGradients g{std::vector<double>(pairs), std::vector<double>(pairs),
                   std::vector<double>(static_cast<std::size_t>(l.queries))};
  // Roundings that a term of the reduction passes: its product, its lane, four of the lanes'
  // combination, the blocks.
  const double n = static_cast<double>(l.keys);
  const double depth = 1 + std::ceil(std::min(n, 4096.0) / 16) + 4 + std::ceil(n / 4096);
  std::vector<double> dp(static_cast<std::size_t>(l.keys)), d(dp.size());
  for (std::int64_t i = 0; i < l.queries; ++i) {
    double dot_value = 0, dot_size = 0, dot_limit = 0;
    double& largest = g.largest[static_cast<std::size_t>(i)];
    for (std::int64_t j = 0; j < l.keys; ++j) {
      if (!heads.visible(b, i, j)) continue;
      const auto at = static_cast<std::size_t>(j);
      const Sum sum = dot(heads.at(l.y, b, h, i, l.value_width),
                          heads.at(l.v, b, h, j, l.value_width), l.value_width);
      const double weight = std::abs(p[heads.pair(b, h, i, j)]);
      dp[at] = sum.value;
      d[at] = contraction_limit(static_cast<double>(l.value_width), 0, sum.size, fill);
      dot_value += p[heads.pair(b, h, i, j)] * sum.value;
      dot_size += weight * (std::abs(sum.value) + d[at]);
      dot_limit += weight * d[at] + kTiny;
      largest = std::max(largest, sum.size);
    }
    dot_limit += gamma_n(depth) * dot_size;
    for (std::int64_t j = 0; j < l.keys; ++j) {
      if (!heads.visible(b, i, j)) continue;
      const auto at = static_cast<std::size_t>(i * l.keys + j);
      const double weight = std::abs(p[heads.pair(b, h, i, j)]);
      const double t = dp[static_cast<std::size_t>(j)] - dot_value;
      const double t_limit = d[static_cast<std::size_t>(j)] + dot_limit;
      g.ds[at] = p[heads.pair(b, h, i, j)] * t * scale;
      g.limit[at] =
          scale * weight * (t_limit + gamma_n(3) * (std::abs(t) + t_limit)) + kTiny * (1 + scale);
      const double reach = std::abs(dp[static_cast<std::size_t>(j)]) + dot_size;
      largest = std::max({largest, reach, weight * reach * std::max(1.0, scale)});
    }
  }
  return g;
}

/// Adds one term factor * x of a gradient, where factor is off by at most `limit`.
struct Gradient {
  double carried = 0, size = 0, terms = 0, largest = 0;

  void add(double factor, double limit, double x) {
    carried += limit * std::abs(x);
    size += (std::abs(factor) + limit) * std::abs(x);
    ++terms;
  }
  void settle(Expected& e, std::size_t at, Fill fill) const {
    e.limit[at] = carried + contraction_limit(terms, 0, size, fill);
    e.magnitude[at] = magnitude_of(size, largest);
  }
};

void bound_head(const AttentionHeads& heads, std::int64_t b, std::int64_t h, Fill fill,
                std::vector<Expected>& result) {
  const auto& l = heads.l;
  const ScoreGradients g = score_gradients(heads, b, h, fill);
  const auto& p = heads.inputs[static_cast<std::size_t>(l.probabilities)];
  const auto expected = [&](const Place& place) -> Expected& {
    return result[static_cast<std::size_t>(place.operand)];
  };
  const auto ds_at = [&](std::int64_t i, std::int64_t j) {
    return static_cast<std::size_t>(i * l.keys + j);
  };
  for (std::int64_t i = 0; i < l.queries; ++i) {
    for (std::int64_t x = 0; x < l.key_width; ++x) {
      Gradient q;
      q.largest = g.largest[static_cast<std::size_t>(i)];
      for (std::int64_t j = 0; j < l.keys; ++j) {
        if (!heads.visible(b, i, j)) continue;
        q.add(g.ds[ds_at(i, j)], g.limit[ds_at(i, j)], heads.at(l.k, b, h, j, l.key_width)[x]);
      }
      q.settle(expected(l.q), heads.row(l.q, b, h, i, l.key_width) + static_cast<std::size_t>(x),
               fill);
    }
  }
  for (std::int64_t j = 0; j < l.keys; ++j) {
    for (std::int64_t x = 0; x < l.key_width; ++x) {
      Gradient k;
      for (std::int64_t i = 0; i < l.queries; ++i) {
        if (!heads.visible(b, i, j)) continue;
        k.add(g.ds[ds_at(i, j)], g.limit[ds_at(i, j)], heads.at(l.q, b, h, i, l.key_width)[x]);
        k.largest = std::max(k.largest, g.largest[static_cast<std::size_t>(i)]);
      }
      k.settle(expected(l.k), heads.row(l.k, b, h, j, l.key_width) + static_cast<std::size_t>(x),
               fill);
    }
    for (std::int64_t x = 0; x < l.value_width; ++x) {
      Gradient v;
      for (std::int64_t i = 0; i < l.queries; ++i) {
        if (!heads.visible(b, i, j)) continue;
        v.add(p[heads.pair(b, h, i, j)], 0, heads.at(l.y, b, h, i, l.value_width)[x]);
      }
      v.settle(expected(l.v), heads.row(l.v, b, h, j, l.value_width) + static_cast<std::size_t>(x),
               fill);
    }
  }
}

}  // namespace

void bound_attention(const Oracle& /*oracle*/, const Op& op, const Operands& operands, Fill fill,
                     std::vector<Expected>& result) {
  if (op.id == Attention::kForward) return bound_forward(op, operands, fill, result);
  const AttentionHeads heads(op, operands);
  for (std::int64_t b = 0; b < heads.l.batch; ++b) {
    for (std::int64_t h = 0; h < heads.l.heads; ++h) bound_head(heads, b, h, fill, result);
  }
}

}  // namespace soma::conformance
