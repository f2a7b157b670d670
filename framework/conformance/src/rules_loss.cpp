#include "bound_tools.hpp"
#include "family.hpp"
#include "soma/sdk/ops/loss.hpp"
#include "tracked.hpp"

namespace soma::conformance {
namespace {

using Feed = Differentiation::Feed;
constexpr Feed input(int i) { return {Feed::From::input, i}; }
constexpr Feed output(int i) { return {Feed::From::output, i}; }
constexpr Feed cotangent() { return {Feed::From::cotangent, 0}; }

/// Differences of a sum of many terms lose the digits that the gradient of one of them has.
constexpr std::int64_t kMostDifferentiated = 4096;

bool sums(const Op& op) { return ops::reduction_from(op.attributes) == ops::Reduction::sum; }

/// The loss from its items: their sum, over `divisor` if a mean.
void bound_loss(const Op& op, std::span<const Tracked> items, Tracked divisor, Expected& e) {
  Tracked loss = total(items);
  if (!sums(op) && divisor.value != 0) loss = loss / divisor;
  set_limit(e, 0, loss);
}

// Softmax cross-entropy

/// The operands of one cross-entropy op in float64.
struct CrossEntropy {
  explicit CrossEntropy(const Op& o, const Operands& operands)
      : op(o),
        attributes(ops::SoftmaxCrossEntropy::from(o.attributes)),
        forward(o.direction() == "fwd"),
        classes(static_cast<std::size_t>(o.in(0).back())),
        rows(doubles(operands.inputs[0])),
        targets(operands.inputs[1].as<std::int32_t>()),
        share(constant(attributes.label_smoothing / static_cast<double>(classes)).value),
        keep(constant(1 - attributes.label_smoothing).value) {
    const auto i = static_cast<std::size_t>(ops::SoftmaxCrossEntropy::weights_input(forward));
    weights =
        attributes.class_weights ? doubles(operands.inputs[i]) : std::vector<double>(classes, 1.0);
  }
  bool counts(std::size_t item) const { return attributes.ignore_index != targets[item]; }
  double weight(std::size_t item) const { return weights[static_cast<std::size_t>(targets[item])]; }
  Tracked divisor() const {
    std::vector<Tracked> terms;
    for (std::size_t n = 0; n < targets.size(); ++n) {
      if (counts(n)) terms.emplace_back(weight(n));
    }
    Tracked sum = total(terms);
    if (!attributes.class_weights) sum.error = 0;  // counted
    return sum;
  }

  const Op& op;
  ops::SoftmaxCrossEntropy attributes;
  bool forward;
  std::size_t classes;
  std::vector<double> rows;
  std::span<const std::int32_t> targets;
  double share, keep;
  std::vector<double> weights;
};

/// -log softmax(logits)[c]: within 4u (1 + |nll|), by the error of the exponentials and their sum.
Tracked negative_log_likelihood(const CrossEntropy& x, std::size_t item, std::size_t c) {
  const std::span row = std::span(x.rows).subspan(item * x.classes, x.classes);
  double most = -INFINITY, sum = 0;
  for (const double v : row) most = v > most || std::isnan(v) ? v : most;
  for (const double v : row) sum += std::exp(v - most);
  const double nll = std::log(sum) - (row[c] - most);
  return {nll, 4 * kU * (1 + std::abs(nll))};
}

Tracked item_loss(const CrossEntropy& x, std::size_t item) {
  const auto weighted = [&](std::size_t c) {
    const Tracked nll = negative_log_likelihood(x, item, c);
    return x.attributes.class_weights ? Tracked(x.weights[c]) * nll : nll;
  };
  const Tracked of_target = weighted(static_cast<std::size_t>(x.targets[item]));
  if (x.attributes.label_smoothing == 0) return of_target;
  std::vector<Tracked> all;
  for (std::size_t c = 0; c < x.classes; ++c) all.push_back(weighted(c));
  return Tracked(x.keep) * of_target + Tracked(x.share) * total(all);
}

void bound_cross_entropy_backward(const CrossEntropy& x, const Operands& operands, Expected& e) {
  Tracked scale = doubles(operands.inputs[2])[0];
  if (!sums(x.op)) scale = scale / x.divisor();
  std::vector<Tracked> weights(x.weights.begin(), x.weights.end());
  const Tracked all = total(weights);
  for (std::size_t n = 0; n < x.targets.size(); ++n) {
    if (!x.counts(n)) continue;
    const auto target = static_cast<std::size_t>(x.targets[n]);
    for (std::size_t c = 0; c < x.classes; ++c) {
      const std::size_t i = n * x.classes + c;
      const Tracked p = x.rows[i];
      if (x.attributes.label_smoothing == 0) {
        const Tracked of_item = Tracked(x.weight(n)) * scale;
        set_limit(e, i, (p - (c == target ? 1.0 : 0.0)) * of_item);
        continue;
      }
      const Tracked hot = Tracked(x.keep) * x.weight(n);
      Tracked q = Tracked(x.share) * x.weights[c];
      if (c == target) q = q + hot;
      set_limit(e, i, ((hot + Tracked(x.share) * all) * p - q) * scale);
    }
  }
}

void bound_cross_entropy(const Oracle&, const Op& op, const Operands& operands, Fill,
                         std::vector<Expected>& result) {
  const CrossEntropy x(op, operands);
  if (x.classes == 0) return;
  if (!x.forward) return bound_cross_entropy_backward(x, operands, result[0]);
  std::vector<Tracked> items;
  for (std::size_t n = 0; n < x.targets.size(); ++n) {
    if (!x.counts(n)) continue;
    items.push_back(item_loss(x, n));
    set_limit(result[1], n, items.back());
  }
  bound_loss(op, items, x.divisor(), result[0]);
  bound_probabilities(x.rows, x.classes, result[2]);
}

/// Targets are classes, one in four of them ignored where some are ("all" of them in cases of that
/// name); class weights are positive, every third 0 ("weightless": all).
bool fill_cross_entropy(const Case& c, std::size_t i, Fill fill, const Numbers& numbers,
                        Array& array) {
  const auto op = ops::SoftmaxCrossEntropy::from(c.op.attributes);
  const bool forward = c.op.direction() == "fwd";
  const auto named = [&](const char* word) { return c.name.find(word) != std::string::npos; };
  if (i == 1) {
    std::size_t e = 0;
    for (std::int32_t& target : array.as<std::int32_t>()) {
      const std::uint32_t bits = numbers.bits(e++);
      target = static_cast<std::int32_t>(bits % static_cast<std::uint32_t>(c.op.in(0).back()));
      if (!op.ignore_index || !(named("all") || numbers.bits(e, 1) % 4 == 0)) continue;
      target = static_cast<std::int32_t>(*op.ignore_index);
    }
    return true;
  }
  if (op.class_weights && static_cast<int>(i) == ops::SoftmaxCrossEntropy::weights_input(forward)) {
    for (std::size_t e = 0; float& w : array.as<float>()) {
      w = named("weightless") || e % 3 == 2 ? 0.0f : static_cast<float>(2 * numbers.positive(e));
      ++e;
    }
    return true;
  }
  if (forward || i != 2) return false;
  array.as<float>()[0] = fill == Fill::integers ? 3.0f : 0.7f;
  return true;
}

std::optional<Differentiation> differentiate_cross_entropy(const Op& op) {
  const auto family = ops::SoftmaxCrossEntropy::from(op.attributes);
  if (family.label_smoothing != 0 && op.in(0).back() > kMostDifferentiated) return std::nullopt;
  Differentiation d{op, 0, {{family.backward(op.in(0)), {output(2), input(1), cotangent()}, {0}}}};
  if (family.class_weights) d.backward[0].feeds.push_back(input(2));
  return d;
}

/// One class leaves nothing to learn, and neither does a class of weight 0.
bool few_gradients(const Case& c) {
  return c.op.in(0).back() == 1 || ops::SoftmaxCrossEntropy::from(c.op.attributes).class_weights;
}

ItemAxes cross_entropy_items(const Op& op) {
  if (op.direction() != "fwd") return {};
  return {.inputs = {{0, 0}, {1, 0}}, .outputs = {{1, 0}, {2, 0}}, .item_outputs = {1, 2}};
}

std::vector<BadOperand> refused_targets(const Op& op) {
  const std::int64_t items = op.in(1).elements();
  if (items == 0) return {};
  const auto ignored = ops::SoftmaxCrossEntropy::from(op.attributes).ignore_index;
  std::vector<BadOperand> list;
  for (const std::int32_t wrong :
       {static_cast<std::int32_t>(op.in(0).back()), -1, INT32_MAX, INT32_MIN}) {
    if (ignored != wrong) list.push_back({1, static_cast<std::size_t>(items / 2), wrong});
  }
  return list;
}

// Losses by element

struct Element {
  Tracked item, slope;
};
using ElementRule = Element (*)(const Op&, Tracked p, Tracked t);

Element squared_error(const Op&, Tracked p, Tracked t) {
  const Tracked d = p - t;
  return {d * d, d};
}
Element absolute_error(const Op&, Tracked p, Tracked t) {
  const Tracked d = p - t;
  Tracked slope = sign(d);
  slope.error = 0;  // a difference of two floats has the right sign
  return {abs(d), slope};
}
Element huber(const Op& op, Tracked p, Tracked t) {
  const double delta = constant(ops::Huber::from(op.attributes).delta).value;
  const Tracked d = p - t, m = held_within(abs(d), delta);
  return {m * (abs(d) - Tracked(0.5) * m), held_within(d, delta)};
}
Element binary_cross_entropy(const Op& op, Tracked p, Tracked t) {
  const Tracked weight =
      constant(ops::BinaryCrossEntropyWithLogits::from(op.attributes).pos_weight);
  const Tracked e = exp(-abs(p)), l = log1p(e), hot = weight * t, cold = Tracked(1) - t;
  const Tracked large = Tracked(1) / (Tracked(1) + e), small = e / (Tracked(1) + e);
  const bool up = p.value >= 0;
  return {hot * (positive(-p) + l) + cold * (positive(p) + l),
          cold * (up ? large : small) - hot * (up ? small : large)};
}
Element divergence(const Op&, Tracked p, Tracked t) {
  return {t.value == 0 ? Tracked(0) : t * (log(t) - p), -t};
}
Element hinge(const Op& op, Tracked p, Tracked t) {
  const bool squared = ops::Hinge::from(op.attributes).squared;
  const Tracked m = fma(-t, p, 1), missing = positive(m);
  if (!(m.value > 0)) return {squared ? missing * missing : missing, 0};
  return {squared ? missing * missing : missing, squared ? (Tracked(-2) * m) * t : -t};
}

double divisor_of(const Op& op) {
  const Shape& shape = op.in(0);
  if (op.family() != "kl_divergence/1") return static_cast<double>(shape.elements());
  return shape.rank() == 0 ? 1 : static_cast<double>(shape[0]);
}

template <ElementRule rule>
void bound_elements(const Oracle&, const Op& op, const Operands& operands, Fill,
                    std::vector<Expected>& result) {
  const auto p = doubles(operands.inputs[0]), t = doubles(operands.inputs[1]);
  if (op.direction() == "fwd") {
    std::vector<Tracked> items;
    for (std::size_t i = 0; i < p.size(); ++i) {
      items.push_back(rule(op, p[i], t[i]).item);
      if (result.size() > 1) set_limit(result[1], i, items.back());
    }
    if (!p.empty()) bound_loss(op, items, divisor_of(op), result[0]);
    return;
  }
  Tracked scale = doubles(operands.inputs[2])[0];
  if (op.family() == "mean_squared_error/1") scale = Tracked(2) * scale;
  if (!sums(op)) scale = scale / Tracked(divisor_of(op));
  for (std::size_t i = 0; i < p.size(); ++i) {
    set_limit(result[0], i, rule(op, p[i], t[i]).slope * scale);
  }
}

/// Numbers such that differences of predictions and targets keep 0.005 away from every kink.
float on_grid(std::uint32_t bits, int steps, float offset) {
  return 0.01f * static_cast<float>(static_cast<int>(bits % (2u * static_cast<unsigned>(steps))) -
                                    steps) +
         offset;
}

bool fill_elements(const Case& c, std::size_t i, Fill fill, const Numbers& numbers, Array& array) {
  const std::string_view family = c.op.family();
  const auto x = array.as<float>();
  const bool wide = c.spread == Spread::wide;
  if (i == 2) {
    x[0] = 0.7f;
    return true;
  }
  const auto each = [&](auto make) {
    for (std::size_t e = 0; e < x.size(); ++e) x[e] = static_cast<float>(make(e));
    return true;
  };
  if (family == "binary_cross_entropy_with_logits/1") {
    if (i == 0 && fill != Fill::random) return false;
    if (i == 0) return each([&](auto e) { return numbers.symmetric(e, 7) * (wide ? 1e4f : 16); });
    return each([&](auto e) { return e % 7 == 0 ? 0.0 : e % 7 == 3 ? 1.0 : numbers.positive(e); });
  }
  if (family == "kl_divergence/1") {
    if (i == 1) return each([&](auto e) { return e % 5 == 4 ? 0.0 : numbers.positive(e); });
    if (fill != Fill::random) return false;
    return each([&](auto e) { return -8 * numbers.positive(e) * (wide ? 1e3 : 1); });
  }
  if (family == "hinge/1" && i == 1) {
    return each([&](auto e) { return numbers.bits(e) % 2 == 0 ? 1.0 : -1.0; });
  }
  if (fill != Fill::random) return false;
  const bool kinked =
      family == "mean_absolute_error/1" || family == "huber/1" || family == "hinge/1";
  if (wide && kinked) {  // one in seven on a kink: p = t, and t p = 1 for some
    return each([&](auto e) { return e % 7 == 3 ? 1.0 : 1e3 * numbers.symmetric(e, 3); });
  }
  if (wide) return false;
  if (family == "hinge/1") {
    return each([&](auto e) { return on_grid(numbers.bits(e), 300, 0.005f); });
  }
  if (!kinked || i != 1) return false;
  return each([&](auto e) { return on_grid(numbers.bits(e), 100, 0); });
}

template <class Family>
std::optional<Differentiation> differentiate_elements(const Op& op) {
  if (op.in(0).elements() > kMostDifferentiated) return std::nullopt;
  return Differentiation{
      op,
      0,
      {{Family::from(op.attributes).backward(op.in(0)), {input(0), input(1), cotangent()}, {0}}}};
}

std::vector<FamilyRules::InPlace> elements_in_place(const Op& op) {
  if (op.direction() == "fwd") return {};
  return {{{0, 0}}, {{0, 1}}};
}

/// Of so few elements all may lie beyond the margin.
bool few_elements(const Case& c) {
  return c.op.family() == "hinge/1" && c.op.in(0).elements() <= 2;
}

template <class Family, ElementRule rule>
FamilyRules elements(std::string_view family, bool kinked = false) {
  return {.family = family,
          .bound = &bound_elements<rule>,
          .fill = &fill_elements,
          .differentiate = &differentiate_elements<Family>,
          .in_place = &elements_in_place,
          .mostly_zero = &few_elements,
          .kinked = kinked};
}

// Cosine

void bound_cosine(const Oracle&, const Op& op, const Operands& operands, Fill,
                  std::vector<Expected>& result) {
  const auto a = doubles(operands.inputs[0]), b = doubles(operands.inputs[1]);
  const double epsilon = constant(ops::Cosine::from(op.attributes).epsilon).value;
  const auto rows = static_cast<std::size_t>(op.in(0)[0]);
  const auto length = static_cast<std::size_t>(op.in(0)[1]);
  const auto dot = [&](const std::vector<double>& x, const std::vector<double>& y,
                       std::size_t row) {
    std::vector<Tracked> terms;
    for (std::size_t c = row * length; c < (row + 1) * length; ++c) {
      terms.push_back(Tracked(x[c]) * y[c]);
    }
    return total(terms);
  };
  const auto at_least = [&](Tracked x) {
    if (x.value + x.error < epsilon) return Tracked(epsilon, 0, x.magnitude);
    return x.value < epsilon ? Tracked(epsilon, x.error, x.magnitude) : x;
  };
  Tracked scale = op.direction() == "fwd" ? 1 : doubles(operands.inputs[2])[0];
  if (!sums(op)) scale = scale / Tracked(static_cast<double>(rows));
  std::vector<Tracked> items;
  for (std::size_t n = 0; n < rows; ++n) {
    const Tracked ab = dot(a, b, n), aa = dot(a, a, n), bb = dot(b, b, n);
    const Tracked lengths = at_least(sqrt(aa)) * at_least(sqrt(bb));
    if (op.direction() == "fwd") {
      items.push_back(Tracked(1) - ab / lengths);
      set_limit(result[1], n, items.back());
      continue;
    }
    const Tracked u = Tracked(1) / lengths;
    const Tracked k = std::sqrt(aa.value) > epsilon ? (ab * u) / aa : Tracked(0);
    for (std::size_t i = n * length; i < (n + 1) * length; ++i) {
      set_limit(result[0], i, (k * a[i] - u * b[i]) * scale);
    }
  }
  if (op.direction() == "fwd" && rows > 0) {
    bound_loss(op, items, static_cast<double>(rows), result[0]);
  }
}

bool fill_cosine(const Case&, std::size_t i, Fill, const Numbers&, Array& array) {
  if (i == 2) array.as<float>()[0] = 0.7f;
  return i == 2;
}

/// A row of one element always points the same way or the opposite one.
bool one_element(const Case& c) { return c.op.in(0)[1] <= 1; }

ItemAxes cosine_items(const Op& op) {
  if (op.direction() != "fwd") return {};
  return {.inputs = {{0, 0}, {1, 0}}, .outputs = {{1, 0}}, .item_outputs = {1}};
}

}  // namespace

std::span<const FamilyRules> loss_rules() {
  static const FamilyRules rules[] = {
      {.family = "softmax_cross_entropy/1",
       .bound = &bound_cross_entropy,
       .fill = &fill_cross_entropy,
       .differentiate = &differentiate_cross_entropy,
       .items = &cross_entropy_items,
       .refused = &refused_targets,
       .mostly_zero = &few_gradients},
      elements<ops::MeanSquaredError, &squared_error>("mean_squared_error/1"),
      elements<ops::MeanAbsoluteError, &absolute_error>("mean_absolute_error/1", true),
      elements<ops::Huber, &huber>("huber/1", true),
      elements<ops::BinaryCrossEntropyWithLogits, &binary_cross_entropy>(
          "binary_cross_entropy_with_logits/1"),
      elements<ops::KlDivergence, &divergence>("kl_divergence/1"),
      elements<ops::Hinge, &hinge>("hinge/1", true),
      {.family = "cosine/1",
       .bound = &bound_cosine,
       .fill = &fill_cosine,
       .differentiate = [](const Op& op) -> std::optional<Differentiation> {
         const Op backward = ops::Cosine::from(op.attributes).backward(op.in(0));
         return Differentiation{op, 0, {{backward, {input(0), input(1), cotangent()}, {0}}}};
       },
       .items = &cosine_items,
       .mostly_zero = &one_element},
  };
  return rules;
}

}  // namespace soma::conformance
