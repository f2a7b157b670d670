#include "soma/conformance/gradient.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "family.hpp"
#include "soma/philox.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/matmul.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "soma/sdk/ops/pool2d.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma::conformance {
namespace {

using Feed = Differentiation::Feed;
constexpr Feed input(int i) { return {Feed::From::input, i}; }
constexpr Feed output(int i) { return {Feed::From::output, i}; }
constexpr Feed cotangent() { return {Feed::From::cotangent, 0}; }

/// Linear and conv2d: the same operands and directions.
template <class Family>
Differentiation of_layer(const Op& op) {
  Family family = Family::from(op.attributes);
  family.epilogue.activation.clear();
  family.accumulate = false;
  Differentiation d;
  d.forward = family.forward(op.in(0), op.in(1), Purpose::train);
  d.backward.push_back({family.backward_data(op.in(0), op.in(1)), {cotangent(), input(1)}, {0}});
  d.backward.push_back({family.backward_weights(op.in(0), op.in(1)), {input(0), cotangent()}, {1}});
  if (family.epilogue.bias) d.backward.back().gradients_of.push_back(2);
  return d;
}

Differentiation of_matmul(const Op& op) {
  ops::Matmul matmul = ops::Matmul::from(op.attributes);
  matmul.accumulate = false;
  return {matmul.forward(op.in(0), op.in(1), Purpose::train),
          0,
          {{matmul.backward_a(op.in(0), op.in(1)), {cotangent(), input(1)}, {0}},
           {matmul.backward_b(op.in(0), op.in(1)), {input(0), cotangent()}, {1}}}};
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Multiplications of one forward, about.
double work(const Op& op) {
  const double result = static_cast<double>(std::max<std::int64_t>(1, op.out(0).elements()));
  if (op.family() == "conv2d/1" || op.family() == "linear/1") {
    return result * static_cast<double>(op.in(1).elements_from(1));
  }
  if (op.family() == "matmul/1") {
    return std::sqrt(result * static_cast<double>(op.in(0).elements()) *
                     static_cast<double>(op.in(1).elements()));
  }
  return result + static_cast<double>(op.in(0).elements());
}

class Differences {
 public:
  Differences(const Kernel& forward, const Operands& at, const Array& weights, int output)
      : forward_(forward), at_(at), weights_(weights), output_(static_cast<std::size_t>(output)) {}

  /// d/dx of <w, f> for one element of one input.
  double operator()(std::size_t input, std::size_t element) {
    constexpr double kStep = 1e-3;
    double& x = at_.inputs[input].as<double>()[element];
    const double centre = x;
    std::vector<std::vector<double>> f;
    for (const double offset : {-2 * kStep, -kStep, kStep, 2 * kStep}) {
      x = centre + offset;
      const std::vector<Array> outputs = run(forward_, at_).outputs;
      f.emplace_back(outputs[output_].as<double>().begin(), outputs[output_].as<double>().end());
    }
    x = centre;
    // Differences first, then the sum: less is lost where few outputs depend on this element.
    double sum = 0;
    const auto w = weights_.as<double>();
    for (std::size_t i = 0; i < w.size(); ++i) {
      sum += w[i] * (8 * (f[2][i] - f[1][i]) - (f[3][i] - f[0][i]));
    }
    return sum / (12 * kStep);
  }

 private:
  const Kernel& forward_;
  Operands at_;
  const Array& weights_;
  std::size_t output_;
};

/// <Jv, w> against <v, J'w> for the contraction alone, as a share of 1e-12 of its terms.
double adjoint_share(const Oracle& oracle, const Differentiation& d, const Operands& at,
                     const Array& w) {
  Op bare = d.forward;
  bare.inputs.resize(2);
  bare.attributes = {};
  for (const auto& [key, value] : d.forward.attributes.entries()) {
    if (key != "bias" && key != "residual") bare.attributes.set(key, value);
  }
  Operands plain{{at.inputs[0], at.inputs[1]}, {}};
  const Operands sizes{{absolute(at.inputs[0]), absolute(at.inputs[1])}, {}};
  const double forward = dot(oracle.evaluate(bare, plain)[0].as<double>(), w.as<double>());
  const double terms = dot(oracle.evaluate(bare, sizes)[0].as<double>(), absolute(w).as<double>());
  double worst = 0;
  for (std::size_t b = 0; b < d.backward.size(); ++b) {
    const std::vector<Array> gradients =
        oracle.evaluate(d.backward[b].op, backward_operands(d, b, at, {}, w));
    const auto of = static_cast<std::size_t>(d.backward[b].gradients_of[0]);
    const double backward = dot(gradients[0].as<double>(), at.inputs[of].as<double>());
    const double error = std::abs(forward - backward);
    worst = std::max(worst, error == 0 ? 0 : error / (1e-12 * terms));
  }
  return worst;
}

/// True for an input whose values have a meaning that uniform numbers would not keep.
bool keeps_meaning(const Case& c, std::size_t input) {
  const FamilyRules* rules = rules_of(c.op);
  if (rules == nullptr || rules->fill == nullptr) return false;
  Array array(c.op.inputs[input]);
  return rules->fill(c, input, Fill::random, Numbers(1, c.id()), array);
}

Operands smooth_operands(const Case& c, const Differentiation& d, std::uint64_t seed) {
  const FamilyRules* rules = rules_of(d.forward);
  const bool kinked = d.forward.family() == "relu/1" || d.forward.family() == "max_pool2d/1" ||
                      (rules != nullptr && rules->kinked);
  Operands at;
  for (std::size_t i = 0; i < d.forward.inputs.size(); ++i) {
    const TensorInfo& info = d.forward.inputs[i];
    const std::string path = c.id() + ".gradient.input" + std::to_string(i);
    if (info.dtype == DType::i32 || keeps_meaning(c, i)) {
      at.inputs.push_back(as_f64(make_operands(c, Fill::random, seed).inputs[i]));
    } else {
      at.inputs.push_back(kinked ? separated_values(info.shape, seed, path)
                                 : uniform_values(info.shape, seed, path));
    }
  }
  return at;
}

}  // namespace

std::optional<Differentiation> differentiation_of(const Op& op) {
  const std::string_view id = op.id;
  if (op.direction() != "fwd") return std::nullopt;
  if (const FamilyRules* rules = rules_of(op)) {
    return rules->differentiate == nullptr ? std::nullopt : rules->differentiate(op);
  }
  if (id == ops::Linear::kForward) return of_layer<ops::Linear>(op);
  if (id == ops::Conv2d::kForward) return of_layer<ops::Conv2d>(op);
  if (id == ops::Matmul::kForward) return of_matmul(op);
  if (id == ops::Pool2d::kMaxForward) {
    if (op.purpose != Purpose::train) return std::nullopt;
    const ops::Pool2d pool = ops::Pool2d::from(op.attributes);
    return Differentiation{op, 0, {{pool.max_backward(op.in(0)), {cotangent(), output(1)}, {0}}}};
  }
  if (id == ops::Pool2d::kAvgForward) {
    const ops::Pool2d pool = ops::Pool2d::from(op.attributes);
    return Differentiation{op, 0, {{pool.avg_backward(op.in(0)), {cotangent()}, {0}}}};
  }
  if (id == ops::Softmax::kForward) {
    return Differentiation{
        op, 0, {{ops::Softmax::backward(op.in(0)), {output(0), cotangent()}, {0}}}};
  }
  for (const char* name : {"relu", "sigmoid", "tanh"}) {
    const ops::Activation activation{name};
    if (id != activation.forward_id()) continue;
    // The output of relu may stand in for its input.
    const Feed x = id == "relu/1.fwd" ? output(0) : input(0);
    return Differentiation{op, 0, {{activation.backward(op.in(0)), {x, cotangent()}, {0}}}};
  }
  return std::nullopt;
}

bool saves_state(const Differentiation& d) {
  for (const auto& backward : d.backward) {
    for (const Feed& feed : backward.feeds) {
      if (feed.from == Feed::From::output) return true;
    }
  }
  return false;
}

Operands backward_operands(const Differentiation& d, std::size_t index, const Operands& forward,
                           const std::vector<Array>& outputs, const Array& w) {
  Operands operands;
  for (const Feed& feed : d.backward.at(index).feeds) {
    const auto i = static_cast<std::size_t>(feed.index);
    operands.inputs.push_back(feed.from == Feed::From::input    ? forward.inputs.at(i)
                              : feed.from == Feed::From::output ? outputs.at(i)
                                                                : w);
  }
  return operands;
}

GradientOutcome check_gradient(const Oracle& oracle, const Case& c, const Differentiation& d,
                               std::uint64_t seed) {
  const Operands at = smooth_operands(c, d, seed);
  const Kernel forward = oracle.backend().prepare(d.forward.as_f64());
  const std::vector<Array> outputs = run(forward, at).outputs;
  const Array w = uniform_values(d.forward.out(d.differentiated), seed, c.id() + ".cotangent");
  const auto samples = static_cast<std::size_t>(std::clamp(4e6 / work(d.forward), 2.0, 24.0));
  const PhiloxStream numbers(seed, c.id() + ".sample");

  GradientOutcome outcome;
  Differences differences(forward, at, w, d.differentiated);
  for (std::size_t b = 0; b < d.backward.size(); ++b) {
    const std::vector<Array> gradients =
        oracle.evaluate(d.backward[b].op, backward_operands(d, b, at, outputs, w));
    for (std::size_t o = 0; o < gradients.size(); ++o) {
      const auto g = gradients[o].as<double>();
      double most = 0;
      for (const double x : g) most = std::max(most, std::abs(x));
      for (std::size_t s = 0; s < std::min(samples, g.size()); ++s) {
        // All elements of a small tensor, the ends and a random sample of a large one.
        const std::size_t i =
            g.size() <= samples ? s
            : s == 0            ? 0
            : s == 1            ? g.size() - 1
                     : numbers.bits(static_cast<std::uint32_t>(o), static_cast<std::uint32_t>(s)) %
                           g.size();
        const double slope =
            differences(static_cast<std::size_t>(d.backward[b].gradients_of[o]), i);
        const double error = std::abs(slope - g[i]);
        // An input that nothing depends on has no gradient to be relative to.
        const double share = error == 0 ? 0 : error / (1e-8 * std::max(most, 1e-6));
        if (!(share <= outcome.share_of_bound)) outcome.share_of_bound = share;
        if (share <= 1 || !outcome.message.empty()) continue;
        char text[200];
        std::snprintf(text, sizeof text,
                      "%s output %zu element %zu: %.15g, differences give %.15g (max |g| %.3g)",
                      d.backward[b].op.id.c_str(), o, i, g[i], slope, most);
        outcome.message = text;
      }
    }
  }
  if (is_contraction(d.forward)) {
    const double share = adjoint_share(oracle, d, at, w);
    if (!(share <= outcome.share_of_bound)) outcome.share_of_bound = share;
    if (!(share <= 1) && outcome.message.empty()) {
      outcome.message = "<Jv,w> and <v,J'w> differ by " + std::to_string(share) + "e-12 of terms";
    }
  }
  return outcome;
}

}  // namespace soma::conformance
