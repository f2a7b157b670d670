// S18..S28, S32: the functions of a neuron, their derivatives and their properties.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "plot.hpp"
#include "random.hpp"
#include "soma/model.hpp"
#include "soma/neuron.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace lab {
namespace {

struct Formula {
  const char* name;
  double (*f)(double);
  double (*slope)(double);  // null: by central differences of f
};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

constexpr Formula kFormulas[] = {
    {"step", [](double x) { return x > 0 ? 1.0 : 0.0; }, [](double) { return 0.0; }},
    {"sigmoid", logistic, nullptr},
    {"tanh", [](double x) { return std::tanh(x); }, nullptr},
    {"relu", [](double x) { return x > 0 ? x : 0; }, nullptr},
    {"leaky_relu", [](double x) { return x > 0 ? x : 0.01 * x; }, nullptr},
    {"elu", [](double x) { return x > 0 ? x : std::expm1(x); }, nullptr},
    {"swish", [](double x) { return x * logistic(x); }, nullptr},
    {"gelu", [](double x) { return x * normal_cdf(x); }, nullptr},
};

/// Distance in units of the last place of `exact`.
double ulps(double found, double exact) {
  const auto rounded = static_cast<float>(exact);
  const double unit =
      std::max(double{std::nextafter(std::abs(rounded), std::numeric_limits<float>::infinity())} -
                   std::abs(double{rounded}),
               0x1p-149);
  return std::abs(found - exact) / unit;
}

std::vector<float> grid(double low, double high, double step) {
  std::vector<float> x;
  // Off the whole numbers, where some of the functions have a corner.
  for (double v = low + step / 3; v <= high; v += step) x.push_back(static_cast<float>(v));
  return x;
}

struct Values {
  std::vector<float> y, slope;
};

Values evaluate(const std::string& name, const std::vector<float>& x) {
  const soma::Neuron neuron({1}, 0, name);
  Values v{std::vector<float>(x.size()), {}};
  neuron.forward(x, v.y);
  soma::NeuronGradients gradients;
  neuron.backward(x, std::vector<float>(x.size(), 1.0f), gradients);
  v.slope = gradients.inputs;
  return v;
}

Finding formulas(const Setting& setting) {
  const auto x = grid(-12, 12, setting.quick ? 0.01 : 0.0005);
  double worst_value = 0, worst_slope = 0;
  std::string worst_name = "none";
  Finding found;
  Plot plot("Activations", "z", "f(z)"), slopes("Their derivatives", "z", "f'(z)");
  for (const Formula& formula : kFormulas) {
    const std::string computed =
        setting.sabotage && std::string(formula.name) == "gelu" ? "gelu_tanh" : formula.name;
    const Values v = evaluate(computed, x);
    double value = 0, slope = 0;
    Points curve, derivative;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double at = x[i], h = 1e-3;
      value = std::max(value, ulps(v.y[i], formula.f(at)));
      const auto difference = [&](double width) {
        return (formula.f(at + width) - formula.f(at - width)) / (2 * width);
      };
      // Fourth order; next to the corner at 0 both sides must not be mixed.
      if (std::abs(at) < 3 * h) continue;
      const double expected =
          formula.slope ? formula.slope(at) : (4 * difference(h) - difference(2 * h)) / 3;
      slope = std::max(slope, std::abs(v.slope[i] - expected));
      if (std::abs(at) < 4 && i % std::max<std::size_t>(1, x.size() / 600) == 0) {
        curve.emplace_back(at, v.y[i]);
        derivative.emplace_back(at, v.slope[i]);
      }
    }
    plot.line(formula.name, curve);
    slopes.line(formula.name, derivative);
    if (value > worst_value) worst_value = value, worst_name = formula.name;
    worst_slope = std::max(worst_slope, slope);
    found.figures.push_back({std::string(formula.name) + "_ulp", value});
    found.figures.push_back({std::string(formula.name) + "_slope_error", slope});
  }
  found.holds = worst_value < 4 && worst_slope < 2e-6;
  found.measured = "On " + text_of(static_cast<double>(x.size())) +
                   " points of [-12, 12] each function is within " + text_of(worst_value) +
                   " units in the last place of its formula (the farthest is " + worst_name +
                   "), and each derivative within " + text_of(worst_slope) +
                   " of differences of the formula in float64.";
  found.picture = plot.range_y(-1.2, 3).svg() + slopes.range_y(-0.3, 1.3).svg();
  return found;
}

Finding learned_slope(const Setting& setting) {
  // A target made with slope 0.3 below zero: the parameter must find it.
  constexpr float kSlope = 0.3f;
  const auto x = grid(-2, 2, 0.02);
  std::vector<float> targets;
  for (const float v : x) targets.push_back(v > 0 ? v : kSlope * v);
  soma::Model net({1}, "slope");
  net.add(soma::Activation{.function = "prelu"}, "prelu").set_loss(soma::Loss::mean_squared_error);
  net.initialize(setting.seed);
  auto& alpha = net.parameters()[0];
  const double before = alpha.value.as<float>()[0];
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Sgd{.learning_rate = setting.sabotage ? 0.0 : 0.5},
                         .seed = setting.seed,
                         .threads = 1});
  Points path;
  for (int step = 0; step < 60; ++step) {
    path.emplace_back(step, alpha.value.as<float>()[0]);
    trainer.step(x, targets);
  }
  const double after = alpha.value.as<float>()[0];
  Finding found;
  found.holds = std::abs(after - kSlope) < 1e-3;
  found.measured = "Gradient descent moved the slope below zero from " + text_of(before) + " to " +
                   text_of(after, 5) + " in 60 updates; the data were made with " +
                   text_of(kSlope) + ".";
  found.figures = {{"slope_before", before}, {"slope_after", after}, {"slope_of_the_data", kSlope}};
  found.seeds = {setting.seed};
  found.picture = Plot("The slope is learned", "update", "slope below zero")
                      .line("learned", path)
                      .mark("of the data", kSlope)
                      .svg();
  return found;
}

Finding softmax(const Setting& setting) {
  Random random(setting.seed, "lab.softmax");
  constexpr std::int64_t kClasses = 10, kRows = 256;
  soma::Model net({kClasses}, "softmax");
  net.add(soma::Softmax{});
  net.initialize(setting.seed);
  const soma::Predictor predict(net, setting.backend,
                                {.max_batch = kRows, .probabilities = false, .concurrency = 1});
  const auto logits = random.normals(kClasses * kRows, 5);
  std::vector<float> p(logits.size()), shifted(logits.size()), moved(logits);
  predict.run(std::span<const float>(logits), p);
  // The same numbers, all raised by 8: the answer must not change but for rounding of the sums.
  for (float& v : moved) v += 8;
  predict.run(std::span<const float>(moved), shifted);
  double worst_sum = 0, worst_shift = 0, lowest = 1, highest = 0;
  std::int64_t same_order = 0;
  for (std::size_t row = 0; row < kRows; ++row) {
    double sum = 0;
    std::size_t largest_logit = 0, largest_p = 0;
    for (std::size_t c = 0; c < kClasses; ++c) {
      const std::size_t i = row * kClasses + c;
      const double v = setting.sabotage ? logistic(logits[i]) : p[i];  // each class by itself
      sum += v;
      lowest = std::min(lowest, v);
      highest = std::max(highest, v);
      worst_shift = std::max(worst_shift, std::abs(double{p[i]} - shifted[i]));
      if (logits[i] > logits[row * kClasses + largest_logit]) largest_logit = c;
      if (p[i] > p[row * kClasses + largest_p]) largest_p = c;
    }
    same_order += largest_logit == largest_p;
    worst_sum = std::max(worst_sum, std::abs(sum - 1));
  }
  Finding found;
  found.holds =
      worst_sum < 1e-6 && lowest >= 0 && highest <= 1 && same_order == kRows && worst_shift < 1e-5;
  found.measured = "Over " + text_of(kRows) + " rows of ten logits the outputs lie in [" +
                   text_of(lowest) + ", " + text_of(highest) + "], sum to 1 within " +
                   text_of(worst_sum) + ", keep the order of the logits, and change by at most " +
                   text_of(worst_shift) + " when all logits are raised by 8.";
  found.figures = {{"largest_error_of_sum", worst_sum},
                   {"lowest", lowest},
                   {"highest", highest},
                   {"largest_change_by_shift", worst_shift}};
  found.seeds = {setting.seed};
  Points bars, before;
  for (std::size_t c = 0; c < kClasses; ++c) {
    before.emplace_back(static_cast<double>(c), logits[c]);
    bars.emplace_back(static_cast<double>(c), p[c]);
  }
  found.picture = Plot("Ten logits", "class", "logit").bars("", before).svg() +
                  Plot("Their softmax", "class", "probability").bars("", bars).svg();
  return found;
}

struct Properties {
  std::string name;
  double low = 0, high = 0, mean = 0, steepest = 0, jump = 0, nanoseconds = 0;
  bool monotonic = true, smooth = true, zero_centred = false, bounded = false;
};

/// Everything by evaluation alone: nothing here knows the formulas.
Properties properties_of(const std::string& name) {
  Properties p{name};
  auto x = grid(-40, 40, 0.01);
  x.insert(x.begin(), {-1e4f, -1e3f});
  x.insert(x.end(), {1e3f, 1e4f});
  const Values v = evaluate(name, x);
  p.low = *std::ranges::min_element(v.y);
  p.high = *std::ranges::max_element(v.y);
  p.bounded = p.high - p.low < 100;
  for (std::size_t i = 1; i < x.size(); ++i)
    p.monotonic &= v.y[i] >= v.y[i - 1] - 1e-6f * std::abs(v.y[i]);
  for (const float s : v.slope) p.steepest = std::max(p.steepest, std::abs(double{s}));
  // A corner or a jump: the slope, or the value, differs on both sides of a point however near.
  for (const float at : {-1.0f, 0.0f, 1.0f, -3.0f, 3.0f}) {
    const std::vector<float> sides{at - 1e-3f, at + 1e-3f};
    const Values s = evaluate(name, sides);
    p.jump = std::max({p.jump, std::abs(double{s.slope[1]} - s.slope[0]),
                       std::abs(double{s.y[1]} - s.y[0]) - 0.01});
  }
  p.smooth = p.jump < 0.01;
  double sum = 0;
  for (int i = 0; i < 2000; ++i) {  // the mean output for a standard normal input, by midpoints
    const double z = -5 + 10 * (i + 0.5) / 2000,
                 density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
    const auto at = static_cast<float>(z);
    float y = 0;
    soma::Neuron({1}, 0, name).forward(std::span(&at, 1), std::span(&y, 1));
    sum += y * density * 10 / 2000;
  }
  p.mean = sum;
  p.zero_centred = std::abs(sum) < 1e-3;
  std::vector<float> many(1 << 16, 0.5f), out(many.size());
  const soma::Neuron neuron({1}, 0, name);
  p.nanoseconds = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto start = std::chrono::steady_clock::now();
    neuron.forward(many, out);
    const double ns =
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
    p.nanoseconds = std::min(p.nanoseconds, ns / static_cast<double>(many.size()));
  }
  return p;
}

Finding property_table(const Setting& setting) {
  // What textbooks say; everything that it is compared with is computed.
  struct Said {
    const char* name;
    bool bounded, zero_centred, monotonic, smooth;
  };
  constexpr Said kSaid[] = {
      {"step", true, false, true, false},        {"sigmoid", true, false, true, true},
      {"tanh", true, true, true, true},          {"relu", false, false, true, false},
      {"leaky_relu", false, false, true, false}, {"elu", false, false, true, true},
      {"swish", false, false, false, true},      {"gelu", false, false, false, true},
  };
  int agree = 0, claims = 0;
  Finding found;
  std::string table =
      "<div "
      "class=\"scroll\"><table><tr><th></th><th>range</th><th>zero-centred</th><th>monotonic</"
      "th><th>smooth</th>"
      "<th class=\"n\">steepest slope</th><th class=\"n\">mean for N(0,1)</th><th class=\"n\">ns "
      "each</th></tr>";
  const auto yes = [](bool b) { return std::string(b ? "yes" : "no"); };
  for (const Said& said : kSaid) {
    Properties p =
        properties_of(setting.sabotage && std::string(said.name) == "tanh" ? "sigmoid" : said.name);
    agree += (p.bounded == said.bounded) + (p.zero_centred == said.zero_centred) +
             (p.monotonic == said.monotonic) + (p.smooth == said.smooth);
    claims += 4;
    const std::string low = p.low < -50 ? "-&infin;" : text_of(p.low),
                      high = p.high > 50 ? "&infin;" : text_of(p.high);
    table += "<tr><td>" + std::string(said.name) + "</td><td>" + low + " to " + high + "</td><td>" +
             yes(p.zero_centred) + "</td><td>" + yes(p.monotonic) + "</td><td>" + yes(p.smooth) +
             "</td><td class=\"n\">" + text_of(p.steepest) + "</td><td class=\"n\">" +
             text_of(p.mean) + "</td><td class=\"n\">" + text_of(p.nanoseconds) + "</td></tr>";
    const std::string name = said.name;
    for (const Figure& f : {Figure{name + "_lowest", p.low}, Figure{name + "_highest", p.high},
                            Figure{name + "_mean", p.mean}, Figure{name + "_steepest", p.steepest},
                            Figure{name + "_ns", p.nanoseconds}}) {
      found.figures.push_back(f);
    }
  }
  found.holds = agree == claims;
  found.measured =
      "Range, zero-centring, monotonicity and smoothness of eight functions, found by evaluating "
      "them: " +
      text_of(agree) + " of " + text_of(claims) + " entries are as textbooks say.";
  found.picture = table + "</table></div>";
  return found;
}

Finding output_ranges(const Setting& setting) {
  // Targets of a regression from -2 to 2, and the same net with three heads.
  const auto x = grid(-2, 2, 0.05);
  const auto error_of = [&](const std::string& head) {
    soma::Model net({1}, "head");
    net.add(soma::Dense{.units = 8, .activation = "tanh"})
        .add(soma::Dense{.units = 1, .activation = head});
    net.set_loss(soma::Loss::mean_squared_error);
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Adam{.learning_rate = 0.03}, .seed = setting.seed, .threads = 1});
    double loss = 0;
    for (int step = 0; step < 600; ++step) loss = trainer.step(x, x);
    const soma::Predictor predict(net, setting.backend,
                                  {.max_batch = std::ssize(x), .concurrency = 1});
    std::vector<float> y(x.size());
    predict.run(std::span<const float>(x), y);
    const auto [low, high] = std::ranges::minmax_element(y);
    return std::array<double, 3>{loss, *low, *high};
  };
  const auto linear = error_of(setting.sabotage ? "sigmoid" : ""), sigmoid = error_of("sigmoid"),
             tanh = error_of("tanh");
  Finding found;
  found.holds = linear[0] < 0.01 && linear[1] < -1.5 && linear[2] > 1.5 && sigmoid[1] >= 0 &&
                sigmoid[2] <= 1 && sigmoid[0] > 0.1 && tanh[1] >= -1 && tanh[2] <= 1 &&
                tanh[0] > 0.1;
  found.measured = "Asked for numbers from -2 to 2, a linear output reached " + text_of(linear[1]) +
                   " to " + text_of(linear[2]) + " (squared error " + text_of(linear[0]) +
                   "), a sigmoid " + text_of(sigmoid[1]) + " to " + text_of(sigmoid[2]) + " (" +
                   text_of(sigmoid[0]) + "), tanh " + text_of(tanh[1]) + " to " + text_of(tanh[2]) +
                   " (" + text_of(tanh[0]) + ").";
  found.figures = {{"linear_error", linear[0]},   {"linear_highest", linear[2]},
                   {"sigmoid_error", sigmoid[0]}, {"sigmoid_highest", sigmoid[2]},
                   {"tanh_error", tanh[0]},       {"tanh_highest", tanh[2]}};
  found.seeds = {setting.seed};
  return found;
}

constexpr Experiment kExperiments[] = {
    {"activation_formulas", "S18 S19 S20 S21 S22 S24 S25 S26",
     "Eight activations and their derivatives",
     "Step, sigmoid, tanh, ReLU, leaky ReLU, ELU, swish and GELU compute their formulas, and "
     "backward gives their derivatives.",
     "Each function against its formula in float64, in units of the last place; each derivative "
     "against differences of fourth order of "
     "the formula.",
     "puts GELU's tanh approximation in the place of GELU", formulas},
    {"prelu", "S23", "A slope that is learned", "PReLU learns its slope below zero.",
     "One PReLU trained by gradient descent on data made with slope 0.3. He et al., "
     "arXiv:1502.01852.",
     "sets the learning rate to 0", learned_slope},
    {"softmax", "S27", "Softmax",
     "Softmax turns any numbers into probabilities that sum to 1, in the same order.",
     "Random logits of deviation 5: range, sum, order, and what raising all logits by 8 changes.",
     "takes a sigmoid of each logit by itself", softmax},
    {"activation_properties", "S28", "The table of properties",
     "Range, zero-centring, monotonicity and smoothness of the activations are as in every "
     "textbook's table.",
     "Each entry is computed by evaluating the function: extremes up to 10,000, the mean for a "
     "standard normal input, order on a fine grid, "
     "jumps of value and slope, time per element.",
     "evaluates a sigmoid where tanh is asked for", property_table},
    {"output_ranges", "S32", "The last activation limits what can be said",
     "The activation of the output constrains its range: linear for numbers, sigmoid and softmax "
     "for probabilities.",
     "One net with a linear, a sigmoid and a tanh output, trained on numbers from -2 to 2.",
     "gives the linear net a sigmoid", output_ranges},
};

}  // namespace

std::span<const Experiment> activation_experiments() { return kExperiments; }

}  // namespace lab
