// S7..S10: Rosenblatt's perceptron, what it learns, how fast, and what it cannot.
#include <array>
#include <cmath>
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

struct Samples {
  std::vector<float> x;
  std::vector<int> targets;
  std::int64_t inputs = 0;
  double margin = 0;  ///< of the hyperplane that split them, in the space of (x, 1)
};

/// Points around the origin, split by a random hyperplane that none lies closer to than `gap`.
Samples separable(Random& random, std::int64_t inputs, int count, double gap) {
  std::vector<double> plane;
  double length = 0;
  for (std::int64_t k = 0; k <= inputs; ++k) {
    plane.push_back(random.normal() * (k == inputs ? 0.3 : 1));
    if (k < inputs) length += plane.back() * plane.back();
  }
  const double whole = std::sqrt(length + plane.back() * plane.back());
  length = std::sqrt(length);
  Samples data{{}, {}, inputs, 1e30};
  while (std::ssize(data.targets) < count) {
    const auto point = random.normals(inputs);
    double at = plane.back();
    for (std::size_t k = 0; k < point.size(); ++k) at += plane[k] * point[k];
    if (std::abs(at) / length < gap) continue;
    data.x.insert(data.x.end(), point.begin(), point.end());
    data.targets.push_back(at > 0 ? 1 : -1);
    data.margin = std::min(data.margin, std::abs(at) / whole);
  }
  return data;
}

/// Largest squared length of (x, 1).
double radius_squared(const Samples& data) {
  double most = 0;
  for (std::size_t i = 0; i < data.targets.size(); ++i) {
    double sum = 1;
    for (std::int64_t k = 0; k < data.inputs; ++k) {
      const double v =
          data.x[i * static_cast<std::size_t>(data.inputs) + static_cast<std::size_t>(k)];
      sum += v * v;
    }
    most = std::max(most, sum);
  }
  return most;
}

Finding learns(const Setting& setting) {
  Random random(setting.seed, "lab.perceptron");
  const int sets = setting.quick ? 50 : 500;
  int separated = 0;
  double before = 0, after = 0;
  for (int i = 0; i < sets; ++i) {
    Samples data = separable(random, 2 + random.below(8), 100, 0.1);
    if (setting.sabotage) {
      for (int& t : data.targets) t = random.uniform() < 0.5 ? -1 : 1;  // no plane parts these
    }
    soma::Perceptron unit(data.inputs);
    const auto right = [&] {
      double n = 0;
      for (std::size_t s = 0; s < data.targets.size(); ++s) {
        const std::span<const float> x(&data.x[s * static_cast<std::size_t>(data.inputs)],
                                       static_cast<std::size_t>(data.inputs));
        n += unit.predict(x) == data.targets[s];
      }
      return n / static_cast<double>(data.targets.size());
    };
    before += right() / sets;
    separated += unit.fit(data.x, data.targets, 2000).separated;
    after += right() / sets;
  }
  Finding found;
  found.holds = separated == sets;
  found.measured = "On " + text_of(separated) + " of " + text_of(sets) +
                   " separable sets the rule ended without a mistake; right answers rose from " +
                   text_of(100 * before) + " to " + text_of(100 * after, 4) + " %.";
  found.figures = {{"sets", static_cast<double>(sets)},
                   {"separated", static_cast<double>(separated)},
                   {"accuracy_before", before},
                   {"accuracy_after", after}};
  found.seeds = {setting.seed};
  return found;
}

Finding bound(const Setting& setting) {
  Random random(setting.seed, "lab.perceptron_bound");
  const int sets = setting.quick ? 200 : 1000;
  int within = 0, separated = 0;
  double closest = 0;
  Points picture;
  for (int i = 0; i < sets; ++i) {
    const Samples data = separable(random, 1 + random.below(6), 40, 0.15);
    soma::Perceptron unit(data.inputs);
    const auto fit = unit.fit(data.x, data.targets, 100000);
    // Any plane that separates has a margin, and each gives a bound: the larger one the better.
    const double margin = std::max(data.margin, unit.margin(data.x, data.targets));
    const double limit = radius_squared(data) / (margin * margin) * (setting.sabotage ? 1e-3 : 1);
    separated += fit.separated;
    within += static_cast<double>(fit.mistakes) <= limit;
    closest = std::max(closest, static_cast<double>(fit.mistakes) / limit);
    if (i < 300) picture.emplace_back(limit, static_cast<double>(fit.mistakes));
  }
  Finding found;
  found.holds = within == sets && separated == sets;
  found.measured =
      "On " + text_of(within) + " of " + text_of(sets) +
      " random separable sets the mistakes stayed below (R / margin)^2; at most they were " +
      text_of(100 * closest) + " % of it.";
  found.figures = {{"sets", static_cast<double>(sets)},
                   {"within_bound", static_cast<double>(within)},
                   {"largest_share_of_bound", closest}};
  found.seeds = {setting.seed};
  found.picture =
      Plot("Mistakes and their bound, one dot for each set", "(R / margin)^2", "mistakes")
          .log_x()
          .log_y()
          .dots("", picture)
          .svg();
  return found;
}

constexpr std::array<float, 8> kCorners{0, 0, 0, 1, 1, 0, 1, 1};

/// How many of the four rows a small network has right after training on them.
int learn_xor(const Setting& setting, std::int64_t hidden, std::uint64_t seed) {
  soma::Model net({2}, "xor");
  if (hidden > 0) net.add(soma::Dense{.units = hidden, .activation = "tanh"});
  net.add(soma::Dense{.units = 1}).set_loss(soma::Loss::binary_cross_entropy_with_logits);
  soma::Trainer trainer(
      net, setting.backend,
      {.optimizer = soma::Adam{.learning_rate = 0.05}, .seed = seed, .threads = 1});
  const std::array<float, 4> targets{0, 1, 1, 0};
  for (int step = 0; step < 800; ++step) trainer.step(kCorners, targets);
  const soma::Predictor predict(net, setting.backend, {.max_batch = 4, .concurrency = 1});
  std::array<float, 4> answers;
  predict.run(std::span<const float>(kCorners), answers);
  int right = 0;
  for (std::size_t i = 0; i < 4; ++i) right += (answers[i] > 0.5f) == (targets[i] > 0.5f);
  return right;
}

Finding xor_problem(const Setting& setting) {
  soma::Perceptron unit(2);
  std::array<int, 4> targets{-1, 1, 1, -1};
  if (setting.sabotage) targets = {-1, -1, -1, 1};  // AND
  const auto fit = unit.fit(kCorners, targets, 1000);
  const int seeds = setting.quick ? 4 : 20;
  int solved = 0;
  Finding found;
  for (int i = 0; i < seeds; ++i) {
    found.seeds.push_back(setting.seed + static_cast<std::uint64_t>(i));
    solved += learn_xor(setting, 2, found.seeds.back()) == 4;
  }
  const int without_hidden = learn_xor(setting, 0, setting.seed);
  found.holds = !fit.separated && fit.cycle_length > 0 && fit.least_error >= 0.25 &&
                without_hidden < 4 && solved > 0;
  found.measured = "A perceptron never had fewer than " + text_of(100 * fit.least_error) +
                   " % wrong, and its weights came back after " +
                   text_of(static_cast<double>(fit.cycle_length)) +
                   (fit.cycle_length == 1 ? " epoch" : " epochs") +
                   ": it will go round for ever. Two hidden neurons "
                   "and one output solved it from " +
                   text_of(solved) + " of " + text_of(seeds) +
                   " starts; the others ended in a poor minimum.";
  found.figures = {{"least_error", fit.least_error},
                   {"cycle_length", static_cast<double>(fit.cycle_length)},
                   {"starts", static_cast<double>(seeds)},
                   {"solved_by_2_2_1", static_cast<double>(solved)},
                   {"rows_right_without_hidden", static_cast<double>(without_hidden)}};
  return found;
}

Finding hyperplane(const Setting& setting) {
  Random random(setting.seed, "lab.hyperplane");
  const int neurons = setting.quick ? 200 : 2000;
  double worst_distance = 0, worst_angle = 0, worst_shift = 0;
  for (int n = 0; n < neurons; ++n) {
    constexpr std::int64_t kInputs = 5;
    const auto w = random.normals(kInputs);
    const auto b = static_cast<float>(random.normal());
    double length = 0;
    for (const float v : w) length += double{v} * v;
    length = std::sqrt(length);
    const soma::Neuron unit(w, b);
    // From a point, go |z| / |w| along the weights: that must be the boundary.
    const auto x = random.normals(kInputs);
    const double z = unit.pre_activation(x);
    std::vector<float> foot(x);
    for (std::size_t k = 0; k < foot.size(); ++k) {
      const double along = setting.sabotage ? z / length : z / (length * length);
      foot[k] = static_cast<float>(foot[k] - along * w[k]);
    }
    worst_distance = std::max(worst_distance, std::abs(double{unit.pre_activation(foot)}));
    // Two points of the boundary differ by a vector at a right angle to the weights.
    auto other = random.normals(kInputs);
    const double z_other = unit.pre_activation(other);
    double dot = 0, span = 0;
    for (std::size_t k = 0; k < other.size(); ++k) {
      const double on = other[k] - z_other / (length * length) * w[k], step = on - foot[k];
      dot += step * w[k];
      span += step * step;
    }
    worst_angle = std::max(worst_angle, std::abs(dot) / (std::sqrt(span) * length));
    // A bias moves it along the weights by -b / |w| from the origin.
    std::vector<float> nearest;
    for (const float v : w) nearest.push_back(static_cast<float>(-b / (length * length) * v));
    worst_shift = std::max(worst_shift, std::abs(double{unit.pre_activation(nearest)}));
  }
  Finding found;
  found.holds = worst_distance < 1e-4 && worst_angle < 1e-4 && worst_shift < 1e-4;
  found.measured =
      "Going |z| / |w| along the weights from a random point ended on the boundary to within " +
      text_of(worst_distance) + " of z; its directions are orthogonal to the weights to " +
      text_of(worst_angle) + " (cosine); it lies -b / |w| from the origin to " +
      text_of(worst_shift) + ".";
  found.figures = {{"largest_z_at_foot", worst_distance},
                   {"largest_cosine", worst_angle},
                   {"largest_z_at_shift", worst_shift}};
  found.seeds = {setting.seed};
  Plot plot("Weights turn the boundary, the bias moves it", "input 1", "input 2");
  const auto boundary = [&](const std::string& name, double w1, double w2, double b) {
    plot.line(name, {{-3, (-b + 3 * w1) / w2}, {3, (-b - 3 * w1) / w2}});
  };
  boundary("w = (1, 1), b = 0", 1, 1, 0);
  boundary("w = (1, 1), b = -2", 1, 1, -2);
  boundary("w = (-1, 2), b = 0", -1, 2, 0);
  found.picture = plot.range_x(-3, 3).range_y(-4, 6).svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"perceptron", "S7", "A neuron that learns from mistakes",
     "With adjustable weights a neuron learns any task that a hyperplane solves (1958).",
     "The perceptron rule on random sets that a random hyperplane separates, until a pass without "
     "a mistake.",
     "draws the targets by lot", learns},
    {"perceptron_bound", "S8", "It stops, and not too late",
     "On separable data the perceptron makes at most (R / margin)^2 mistakes.",
     "Mistakes counted on random separable sets against R^2 / margin^2, with the margin of a plane "
     "that separates them, in "
     "float64. Novikoff (1962).",
     "takes a thousandth of the bound", bound},
    {"xor", "S9", "XOR: one layer fails, two succeed",
     "A single layer cannot learn XOR (1969); a few neurons in two layers can.",
     "The perceptron rule on the four corners until its weights repeat, which proves that it never "
     "ends; networks 2-2-1 (tanh, "
     "Adam) from several starts.",
     "asks for AND, which one neuron can do", xor_problem},
    {"hyperplane", "S10", "One neuron is one hyperplane",
     "A threshold or sigmoid neuron decides by a hyperplane: weights give its direction, the bias "
     "its place.",
     "Distance |w . x + b| / |w|, directions within the boundary, and its distance from the "
     "origin, on random neurons.",
     "forgets to divide by the length of the weights", hyperplane},
};

}  // namespace

std::span<const Experiment> perceptron_experiments() { return kExperiments; }

}  // namespace lab
