#include "soma/conformance/bounds.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>

#include "bound_tools.hpp"
#include "family.hpp"
#include "soma/conformance/compare.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/epilogue.hpp"
#include "soma/sdk/ops/pool2d.hpp"

namespace soma::conformance {

std::vector<double> doubles(const Array& array) {
  const Array wide = as_f64(array);
  return {wide.as<double>().begin(), wide.as<double>().end()};
}

Operands absolute(const Operands& operands) {
  Operands to;
  for (const Array& a : operands.inputs) to.inputs.push_back(conformance::absolute(a));
  for (const Array& a : operands.old_outputs) to.old_outputs.push_back(conformance::absolute(a));
  return to;
}

double contraction_limit(double terms, int adds, double magnitude, Fill fill) {
  if (fill == Fill::integers) return 0;  // T3
  const double n = std::max(terms + 1, terms + adds);
  const double hard = gamma_n(n) * magnitude + terms * kTiny;
  if (fill != Fill::random) return hard;
  return std::min(hard,
                  4 * std::sqrt(std::max(1.0, terms + adds)) * kU * magnitude + terms * kTiny);
}

namespace {

/// What rounding the operands of a sum of products to bfloat16 adds to the limits of its outputs.
class Bf16Operands {
 public:
  Bf16Operands(const Oracle& oracle, const Op& plain, const Operands& sizes, Fill fill)
      : fill_(fill) {
    Operands squares = sizes;
    for (Array& a : squares.inputs) {
      float most = 0;
      for (float& x : a.as<float>()) {
        if (std::isfinite(x)) most = std::max(most, x);
        x *= x;
      }
      reach_ += most;
    }
    if (fill != Fill::random) return;
    for (const Array& sum : oracle.evaluate(plain, squares)) squares_.push_back(doubles(sum));
  }

  /// `accumulation` is the limit in float32, `products` the sum of |a b|, of element i of output o.
  double limit(double accumulation, double terms, double products, std::size_t o,
               std::size_t i) const {
    if (fill_ == Fill::integers) return accumulation;  // they are bfloat16 numbers
    constexpr double kBoth = (1 + kUBf16) * (1 + kUBf16);
    double rounding = (kBoth - 1) * products;
    if (fill_ == Fill::random) {
      rounding = std::min(rounding, 4 * kUBf16 * std::sqrt(squares_[o][i]));
    }
    // The instruction takes what is subnormal for 0, and gives 0 for it.
    return kBoth * accumulation + rounding + terms * 0x1p-126 * (1 + kBoth * reach_);
  }

 private:
  Fill fill_;
  double reach_ = 0;                          // the largest of either operand, added
  std::vector<std::vector<double>> squares_;  // the sums of (a b)^2
};

/// Largest element of a row; NaN if there is one.
double row_maximum(std::span<const double> row) {
  double most = -INFINITY;
  for (const double x : row) {
    if (std::isnan(x)) return x;
    most = std::max(most, x);
  }
  return most;
}

}  // namespace

void bound_probabilities(const std::vector<double>& logits, std::size_t classes, Expected& e) {
  for (std::size_t start = 0; start < logits.size(); start += classes) {
    const double most = row_maximum(std::span(logits).subspan(start, classes));
    for (std::size_t i = start; i < start + classes; ++i) {
      const double distance = std::abs(logits[i] - most);
      e.limit[i] = (e.value[i] > 0 ? 4 * kU * e.value[i] * (4 + distance) : 0) + kTiny;
    }
  }
}

namespace {

Expected expected_of(const Array& y) {
  Expected e;
  if (y.info.dtype == DType::i32) {
    e.integral = true;
    e.value.assign(y.as<std::int32_t>().begin(), y.as<std::int32_t>().end());
  } else {
    e.value.assign(y.as<double>().begin(), y.as<double>().end());
  }
  e.limit.assign(e.value.size(), 0.0);
  e.magnitude.resize(e.value.size());
  std::ranges::transform(e.value, e.magnitude.begin(), [](double v) { return std::abs(v); });
  return e;
}

/// The contraction alone: no residual, activation or old value; no bias unless the op sums one.
Op bare(const Op& op) {
  Op to = op;
  to.attributes = {};
  const bool forward = op.direction() == "fwd";
  for (const auto& [key, value] : op.attributes.entries()) {
    if (key == "accumulate" || key == "residual" || key == "activation") continue;
    if (key == "bias" && forward) continue;
    to.attributes.set(key, value);
  }
  to.inputs.resize(2);
  return to;
}

/// Terms per element of each output: those that take part where taps can be skipped.
std::vector<std::vector<double>> term_counts(const Oracle& oracle, const Op& op, const Op& plain,
                                             bool exactly) {
  std::vector<std::vector<double>> counts;
  if (exactly && op.family() == "conv2d/1") {
    Operands ones;
    for (const TensorInfo& info : plain.inputs) {
      std::ranges::fill(ones.inputs.emplace_back(info).as<float>(), 1.0f);
    }
    for (const Array& count : oracle.evaluate(plain, ones)) counts.push_back(doubles(count));
    return counts;
  }
  const auto ratio = [](std::int64_t a, std::int64_t b) {
    return b == 0 ? 0.0 : static_cast<double>(a) / static_cast<double>(b);
  };
  const Shape &a = op.in(0), &b = op.in(1), &y = op.out(0);
  double terms = 0;
  if (op.family() == "conv2d/1") {
    const double groups = static_cast<double>(op.attributes.integer("groups", 1));
    if (op.direction() == "fwd") terms = ratio(b.elements(), b[0]);
    if (op.direction() == "bwd_data") terms = ratio(b.elements(), b[3]) / groups;
    if (op.direction() == "bwd_weights") terms = ratio(op.in(1).elements(), op.in(1)[3]);
  } else {
    // Of a product of matrices: |A| |B| / |C| = (M K)(K N) / (M N) = K^2, per batch.
    const std::int64_t batch = op.family() == "matmul/1" ? std::max<std::int64_t>(1, y[0]) : 1;
    terms = y.elements() == 0 ? 0
                              : std::sqrt(ratio(a.elements() / batch, y.elements() / batch) *
                                          static_cast<double>(b.elements() / batch));
  }
  counts.emplace_back(y.elements(), terms);
  if (op.outputs.size() > 1) {
    const Shape& grad = op.in(1);
    counts.emplace_back(op.out(1).elements(), ratio(grad.elements(), grad.back()));
  }
  return counts;
}

void pass_activation(Expected& e, const std::string& activation) {
  const ops::NamedActivation* row = ops::find_activation(activation);
  if (row == nullptr) return;
  const double p = activation_ulp(row->name);
  for (std::size_t i = 0; i < e.value.size(); ++i) {
    e.limit[i] = e.limit[i] * row->slope + (p > 0 ? p * ulp(e.value[i]) + kTiny : 0);
  }
}

void bound_contraction(const Oracle& oracle, const Op& op, const Operands& operands, Fill fill,
                       Numerics numerics, std::vector<Expected>& result) {
  const Op plain = bare(op);
  Operands sizes = absolute(operands);
  const std::vector<Array> added = [&] {  // bias and residual, or the old outputs
    std::vector<Array> list(sizes.inputs.begin() + 2, sizes.inputs.end());
    return list;
  }();
  sizes.inputs.resize(2);
  const std::vector<Array> magnitudes = oracle.evaluate(plain, sizes);
  const auto counts = term_counts(oracle, op, plain, fill == Fill::random);
  std::optional<Bf16Operands> rounded;
  if (numerics == Numerics::bf16) rounded.emplace(oracle, plain, sizes, fill);
  const bool accumulate = op.attributes.flag("accumulate");
  for (std::size_t o = 0; o < result.size(); ++o) {
    Expected& e = result[o];
    const std::vector<double> products = doubles(magnitudes[o]);
    e.magnitude = products;
    int adds = 0;
    if (o == 0) {
      for (const Array& term : added) {  // [N] runs along the last axis, a residual along all
        const std::vector<double> values = doubles(term);
        for (std::size_t i = 0; i < e.magnitude.size(); ++i) {
          e.magnitude[i] += values[i % values.size()];
        }
        ++adds;
      }
    }
    if (accumulate) {
      const std::vector<double> old = doubles(sizes.old_outputs[o]);
      for (std::size_t i = 0; i < old.size(); ++i) e.magnitude[i] += old[i];
      ++adds;
    }
    for (std::size_t i = 0; i < e.limit.size(); ++i) {
      e.limit[i] = contraction_limit(counts[o][i], adds, e.magnitude[i], fill);
      if (rounded) e.limit[i] = rounded->limit(e.limit[i], counts[o][i], products[i], o, i);
    }
  }
  if (op.direction() == "fwd") pass_activation(result[0], op.attributes.text("activation", ""));
}

void bound_pointwise(const Op& op, const Operands& operands, Expected& e) {
  const std::string_view family = op.family();
  if (family == "relu/1") return;  // equality
  const bool backward = op.direction() == "bwd";
  const std::vector<double> grad = backward ? doubles(operands.inputs[1]) : std::vector<double>();
  for (std::size_t i = 0; i < e.value.size(); ++i) {
    const double y = std::abs(e.value[i]);
    if (family == "add/1") {
      e.limit[i] = kU * y;
    } else if (backward) {  // 4 ulp of a value at the lower end of its binade
      e.limit[i] = 8 * kU * y + kTiny * (1 + std::abs(grad[i]));
    } else {
      e.limit[i] = activation_ulp(family.substr(0, family.find('/'))) * ulp(y) + kTiny;
    }
  }
}

void bound_pool(const Oracle& oracle, const Op& op, const Operands& operands, Fill fill,
                std::vector<Expected>& result) {
  if (op.id == ops::Pool2d::kMaxForward) return;  // equality
  const ops::Pool2d pool = ops::Pool2d::from(op.attributes);
  const double taps = static_cast<double>(pool.kernel_h * pool.kernel_w);
  const bool average = op.family() == "avg_pool2d/1";
  Expected& e = result[0];
  e.magnitude = doubles(oracle.evaluate(op, absolute(operands))[0]);
  for (std::size_t i = 0; i < e.limit.size(); ++i) {
    e.limit[i] = contraction_limit(taps, average ? 1 : 0, e.magnitude[i],
                                   fill == Fill::integers ? Fill::huge : fill);
    e.magnitude[i] *= taps;  // what the sum before the division may reach
  }
}

void bound_softmax_backward(const Operands& operands, std::size_t classes, Expected& e) {
  const std::vector<double> y = doubles(operands.inputs[0]), grad = doubles(operands.inputs[1]);
  for (std::size_t start = 0; start < y.size(); start += classes) {
    double sum = 0;
    for (std::size_t i = start; i < start + classes; ++i) sum += std::abs(y[i] * grad[i]);
    for (std::size_t i = start; i < start + classes; ++i) {
      const double size = std::abs(y[i]), terms = std::abs(grad[i]) + sum;
      e.limit[i] = 16 * kU * size * terms + kTiny * (2 + static_cast<double>(classes));
      e.magnitude[i] = terms * std::max(1.0, size);
    }
  }
}

/// An overflow in one result of an optimizer reaches the others of the same element.
void share_magnitudes(std::vector<Expected>& result) {
  for (std::size_t i = 0; i < result[0].magnitude.size(); ++i) {
    double most = 0;
    for (const Expected& e : result) most = std::max(most, e.magnitude[i]);
    for (Expected& e : result) e.magnitude[i] = most;
  }
}

/// 8u of the sums with absolute terms, which the op itself computes from absolute operands and a
/// step of the other sign.
void bound_sgd(const Oracle& oracle, const Op& op, const Operands& operands,
               std::vector<Expected>& result) {
  Operands sizes = absolute(operands);
  for (float& rate : sizes.inputs[2].as<float>()) rate = -rate;
  const std::vector<Array> magnitudes = oracle.evaluate(op, sizes);
  for (std::size_t o = 0; o < result.size(); ++o) {
    result[o].magnitude = doubles(magnitudes[o]);
    for (std::size_t i = 0; i < result[o].limit.size(); ++i) {
      result[o].limit[i] = 8 * kU * result[o].magnitude[i] + 2 * kTiny;
    }
  }
  share_magnitudes(result);
}

void bound_adam(const Oracle& oracle, const Op& op, const Operands& operands,
                std::vector<Expected>& result) {
  const double epsilon = op.attributes.real("epsilon", 1e-8);
  const std::vector<Array> sizes = oracle.evaluate(op, absolute(operands));
  const std::vector<double> m = doubles(sizes[1]), v = doubles(sizes[2]);
  const std::vector<double> w = doubles(operands.inputs[0]), scalars = doubles(operands.inputs[2]);
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double step = scalars[0] * m[i] / (std::sqrt(result[2].value[i] * scalars[1]) + epsilon);
    // Products with tiny moments underflow before the division by as little as epsilon.
    const double underflow = kTiny * (1 + 2 * scalars[0]) / epsilon;
    result[0].limit[i] = 8 * kU * (std::abs(w[i]) + step) + underflow + 2 * kTiny;
    result[1].limit[i] = 8 * kU * m[i] + 4 * kTiny;
    result[2].limit[i] = 8 * kU * v[i] + 4 * kTiny;
    result[0].magnitude[i] = std::abs(w[i]) + step;
    result[1].magnitude[i] = m[i];
    result[2].magnitude[i] = v[i];
  }
  share_magnitudes(result);
}

/// Forward ops that move elements, choose one or compute with each alone: a result of 0 has a sign.
bool keeps_sign_of_zero(const Op& op) {
  constexpr std::string_view kFamilies[] = {"concat/1",
                                            "slice/1",
                                            "permute/1",
                                            "pad/1",
                                            "embedding/1",
                                            "max/1",
                                            "max_pool2d/1",
                                            "dropout/1",
                                            "prelu/1",
                                            "add/1",
                                            "multiply/1",
                                            "broadcast_add/1",
                                            "broadcast_multiply/1",
                                            "subtract/1",
                                            "scale/1"};
  return op.direction() == "fwd" &&
         (ops::is_activation_family(op.family()) ||
          std::ranges::find(kFamilies, op.family()) != std::end(kFamilies));
}

std::string describe(std::size_t output, std::size_t i, float got, double value, double limit) {
  char text[200];
  std::snprintf(text, sizeof text,
                "output %zu element %zu: expected %.9g within %.3g, got %.9g (%s)", output, i,
                value, limit, static_cast<double>(got), name_of(class_of(got)));
  return text;
}

}  // namespace

std::vector<Expected> expect(const Oracle& oracle, const Op& op, const Operands& operands,
                             Fill fill, Numerics numerics) {
  std::vector<Expected> result;
  for (const Array& y : oracle.evaluate(op, operands)) {
    result.push_back(expected_of(y));
    result.back().signed_zeros = !result.back().integral && keeps_sign_of_zero(op);
  }
  const std::string_view family = op.family();
  if (is_contraction(op)) {
    bound_contraction(oracle, op, operands, fill, numerics, result);
  } else if (family == "max_pool2d/1" || family == "avg_pool2d/1") {
    bound_pool(oracle, op, operands, fill, result);
  } else if (family == "softmax/1") {
    const auto classes = static_cast<std::size_t>(op.in(0)[1]);
    if (classes == 0) return result;
    if (op.direction() == "fwd") {
      bound_probabilities(doubles(operands.inputs[0]), classes, result[0]);
    } else {
      bound_softmax_backward(operands, classes, result[0]);
    }
  } else if (family == "sgd/1") {
    bound_sgd(oracle, op, operands, result);
  } else if (family == "adam/1") {
    bound_adam(oracle, op, operands, result);
  } else if (const FamilyRules* rules = rules_of(op)) {
    if (rules->bound != nullptr) rules->bound(oracle, op, operands, fill, result);
  } else {
    bound_pointwise(op, operands, result[0]);
  }
  return result;
}

Deviation deviation(const std::vector<Array>& outputs, const std::vector<Expected>& expected) {
  Deviation d;
  std::size_t o = 0, i = 0;
  const auto fail = [&](std::string message) {
    if (d.failures++ > 0) return;
    d.message = std::move(message);
    d.output = o;
    d.element = i;
  };
  for (o = 0; o < expected.size(); ++o) {
    const Expected& e = expected[o];
    for (i = 0; i < e.value.size(); ++i) {
      if (e.integral) {
        const std::int32_t got = outputs[o].as<std::int32_t>()[i];
        if (got != static_cast<std::int32_t>(e.value[i])) {
          fail("output " + std::to_string(o) + " element " + std::to_string(i) + ": expected " +
               std::to_string(static_cast<std::int32_t>(e.value[i])) + ", got " +
               std::to_string(got));
        }
        continue;
      }
      const float got = outputs[o].as<float>()[i];
      const double value = e.value[i];
      if (!std::isfinite(value)) {
        if (class_of(got) != class_of(static_cast<float>(value))) {
          fail(describe(o, i, got, value, 0));
        }
        continue;
      }
      if (std::isfinite(e.magnitude[i]) && e.magnitude[i] > double{FLT_MAX} / 4) continue;
      const double error = std::abs(static_cast<double>(got) - value);
      if (!(error <= e.limit[i])) fail(describe(o, i, got, value, e.limit[i]));
      if (e.signed_zeros && value == 0 && got == 0 && std::signbit(got) != std::signbit(value)) {
        fail(describe(o, i, got, value, 0) + ", a zero of the other sign");
      }
      if (e.limit[i] > 0) d.worst_share = std::max(d.worst_share, error / e.limit[i]);
    }
  }
  if (d.failures > 1) d.message += "; " + std::to_string(d.failures) + " elements in all";
  return d;
}

}  // namespace soma::conformance
