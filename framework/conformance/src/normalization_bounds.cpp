#include "normalization_bounds.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "bound_tools.hpp"
#include "soma/sdk/ops/batch_norm.hpp"

namespace soma::conformance {
namespace {

/// Relative error of a sum with that depth. On random data rounding errors do not all point the
/// same way (T2).
double rounding(double depth, Fill fill) {
  const double hard = gamma_n(depth);
  return fill == Fill::random ? std::min(hard, 4 * std::sqrt(depth) * kU) : hard;
}

/// Mean and variance of a group and how far float32 may be from them.
struct Statistics {
  double mean = 0, variance = 0, inv_dev = 0;
  double mean_error = 0, variance_error = 0;
  double inv_dev_error = 0;  ///< relative
  double size = 0;           ///< the largest intermediate result
};

/// Sets inv_dev and its error. d(v^-1/2) is bounded over the whole interval that v may lie in;
/// where that reaches 0 there is no bound.
void finish(Statistics& s, double epsilon) {
  const double v = s.variance + epsilon;
  s.inv_dev = 1 / std::sqrt(v);
  if (std::isinf(v)) return;  // exactly 0
  const double share = (s.variance_error + kU * epsilon) / v + kU;
  s.inv_dev_error = share < 0.5 ? 1 / std::sqrt(1 - share) - 1 + 3 * kU : INFINITY;
  if (!(share < 0.5)) s.size = std::max(s.size, double{FLT_MAX});
}

std::vector<Statistics> statistics(const NormLayout& z, const std::vector<double>& x,
                                   double epsilon, Fill fill) {
  std::vector<Statistics> all(z.N * z.G);
  std::vector<double> sizes(all.size()), low(all.size(), INFINITY), high(all.size(), -INFINITY);
  const double count = std::max(1.0, z.count);
  for (std::size_t e = 0; e < z.elements(); ++e) {
    const std::size_t k = z.group(e);
    if (z.centred) all[k].mean += x[e] / count;
    sizes[k] += std::abs(x[e]);
    low[k] = std::min(low[k], x[e]);
    high[k] = std::max(high[k], x[e]);
  }
  for (std::size_t e = 0; e < z.elements(); ++e) {
    Statistics& s = all[z.group(e)];
    const double d = x[e] - s.mean;
    s.variance += d * d / count;
  }
  for (std::size_t k = 0; k < all.size(); ++k) {
    Statistics& s = all[k];
    // Adding a constant again and again rounds the same way each time: no T2.
    const Fill how = low[k] == high[k] ? Fill::huge : fill;
    if (z.centred) s.mean_error = rounding(z.depth() + 1, how) * sizes[k] / count + kTiny;
    // Around mean + e instead of mean, the squares sum to n (var + e^2).
    s.variance_error =
        rounding(z.depth() + 4, how) * s.variance + 1.01 * s.mean_error * s.mean_error + kTiny;
    s.size = std::max(sizes[k], s.variance * count);
    finish(s, epsilon);
  }
  return all;
}

void bound_running(const Op& op, const Operands& operands, const NormLayout& z,
                   const std::vector<Statistics>& all, std::vector<Expected>& result) {
  if (z.count == 0) return;  // unchanged
  const double momentum = ops::BatchNorm::from(op.attributes).momentum;
  for (std::size_t o = 3; o < 5; ++o) {
    const std::vector<double> old = doubles(operands.inputs[o]);
    for (std::size_t c = 0; c < z.C; ++c) {
      const double unbiased = z.count / std::max(1.0, z.count - 1);
      const double now = o == 3 ? std::abs(all[c].mean) : all[c].variance * unbiased;
      const double error = o == 3 ? all[c].mean_error : all[c].variance_error * unbiased;
      const double terms = std::abs((1 - momentum) * old[c]) + momentum * now;
      result[o].limit[c] = momentum * error + 4 * kU * (terms + momentum * error) + 2 * kTiny;
      result[o].magnitude[c] = std::max(all[c].size, terms);
    }
  }
}

void bound_forward(const Op& op, const Operands& operands, Fill fill,
                   std::vector<Expected>& result) {
  const NormLayout z(op);
  const double epsilon = op.attributes.real("epsilon", 1e-5);
  const std::vector<double> x = doubles(operands.inputs[0]);
  const bool given = z.batch && op.purpose == Purpose::infer;
  std::vector<Statistics> all;
  if (given) {
    const auto mean = doubles(operands.inputs[3]), variance = doubles(operands.inputs[4]);
    all.resize(z.C);
    for (std::size_t c = 0; c < z.C; ++c) {
      all[c].mean = mean[c];
      all[c].variance = variance[c];
      finish(all[c], epsilon);
    }
  } else {
    all = statistics(z, x, epsilon, fill);
  }
  std::size_t input = 1;
  const std::vector<double> gamma =
      z.scale ? doubles(operands.inputs[input++]) : std::vector<double>(z.C, 1.0);
  const std::vector<double> beta =
      z.shift ? doubles(operands.inputs[input]) : std::vector<double>(z.C, 0.0);
  const int residual_input = z.batch ? ops::BatchNorm::from(op.attributes).residual_input() : -1;
  const std::vector<double> residual =
      residual_input < 0 ? std::vector<double>()
                         : doubles(operands.inputs[static_cast<std::size_t>(residual_input)]);
  for (std::size_t e = 0; e < z.elements(); ++e) {
    const Statistics& s = all[z.group(e)];
    const double g = std::abs(gamma[z.channel(e)]), b = std::abs(beta[z.channel(e)]);
    const double d = std::abs(x[e] - s.mean), xhat = d * s.inv_dev;
    const double shifted = s.mean_error * s.inv_dev * (1 + s.inv_dev_error);
    const double error = g * (xhat * (s.inv_dev_error + 4 * kU) + shifted);
    result[0].limit[e] =
        error * (1 + 4 * kU) + 2 * kU * (g * xhat + b) + kTiny * (2 + d + g + s.inv_dev);
    result[0].magnitude[e] = std::max({s.size, d, xhat, g * s.inv_dev, g * xhat + b});
    if (residual.empty()) continue;
    // One addition more; relu adds nothing.
    const double r = std::abs(residual[e]);
    result[0].limit[e] += kU * (g * xhat + b + result[0].limit[e] + r);
    result[0].magnitude[e] = std::max(result[0].magnitude[e], g * xhat + b + r);
  }
  for (std::size_t o = 1; o < std::min<std::size_t>(3, result.size()); ++o) {
    const bool is_mean = o == 1 && z.centred;
    for (std::size_t k = 0; k < all.size(); ++k) {
      result[o].limit[k] =
          is_mean ? all[k].mean_error : all[k].inv_dev * all[k].inv_dev_error + kTiny;
      result[o].magnitude[k] = std::max(all[k].size, std::abs(result[o].value[k]));
    }
  }
  if (result.size() == 5) bound_running(op, operands, z, all, result);
}

void bound_backward(const Op& op, const Operands& operands, Fill fill,
                    std::vector<Expected>& result) {
  const NormLayout z(op);
  std::size_t input = 1;
  const std::vector<double> x = doubles(operands.inputs[0]);
  const std::vector<double> gamma =
      z.scale ? doubles(operands.inputs[input++]) : std::vector<double>(z.C, 1.0);
  const std::vector<double> mean =
      z.centred ? doubles(operands.inputs[input++]) : std::vector<double>(z.N * z.G, 0.0);
  const std::vector<double> inv_dev = doubles(operands.inputs[input++]);
  const bool relu = z.batch && ops::BatchNorm::from(op.attributes).relu;
  std::vector<double> grad = doubles(operands.inputs[relu ? input + 1 : input]);
  if (relu) {
    const std::vector<double> y = doubles(operands.inputs[input]);
    for (std::size_t e = 0; e < grad.size(); ++e) grad[e] = y[e] > 0 ? grad[e] : 0;
  }

  // Sums of |terms|: over groups of g and g * xhat, over columns of grad_y * xhat and grad_y.
  std::vector<double> a(z.N * z.G), b(a), size(a), largest(a), of_gamma(z.C), of_beta(z.C),
      column(z.C);
  for (std::size_t e = 0; e < z.elements(); ++e) {
    const std::size_t k = z.group(e), c = z.channel(e);
    const double d = std::abs(x[e] - mean[k]), xhat = d * inv_dev[k];
    const double dy = std::abs(grad[e]), g = std::abs(gamma[c]);
    a[k] += dy * g;
    b[k] += dy * g * xhat;
    const double most = std::max({1.0, d, xhat});
    size[k] += dy * std::max(1.0, g) * most;
    largest[k] = std::max(largest[k], most);
    of_gamma[c] += dy * xhat;
    of_beta[c] += dy;
    column[c] = std::max(column[c] + dy * most, most);
  }
  const double group_rounding = rounding(z.depth() + 8, fill);
  for (std::size_t e = 0; e < z.elements(); ++e) {
    const std::size_t k = z.group(e), c = z.channel(e);
    const double d = std::abs(x[e] - mean[k]), g = std::abs(gamma[c]);
    const double from_sums =
        ((z.centred ? a[k] : 0) + b[k] * d * inv_dev[k]) / std::max(1.0, z.count);
    const double terms = std::abs(grad[e]) * g + from_sums;
    // What a factor loses below 2^-126 counts as often as the others say.
    const double factors =
        4 + d + g + std::abs(grad[e]) + (a[k] * (1 + d) + b[k]) / std::max(1.0, z.count);
    result[0].limit[e] = inv_dev[k] * (8 * kU * terms + group_rounding * from_sums) +
                         kTiny * factors * (1 + inv_dev[k]) * (1 + inv_dev[k]);
    const double most = std::max({1.0, inv_dev[k], d * inv_dev[k]});
    result[0].magnitude[e] =
        std::max({size[k] * inv_dev[k], size[k], largest[k], terms * most, g * most});
  }
  std::size_t output = 1;
  const auto column_bound = [&](const std::vector<double>& terms, double depth) {
    Expected& e = result[output++];
    for (std::size_t c = 0; c < z.C; ++c) {
      e.limit[c] = rounding(depth, fill) * terms[c] + kTiny * (2 + z.column_depth() + of_beta[c]);
      e.magnitude[c] = terms[c] == 0 && column[c] < 1e6 ? 0 : column[c];
    }
  };
  if (z.scale) column_bound(of_gamma, z.column_depth() + 4);
  if (z.shift) column_bound(of_beta, z.column_depth());
}

}  // namespace

void bound_normalization(const Oracle&, const Op& op, const Operands& operands, Fill fill,
                         std::vector<Expected>& result) {
  op.direction() == "fwd" ? bound_forward(op, operands, fill, result)
                          : bound_backward(op, operands, fill, result);
}

}  // namespace soma::conformance
