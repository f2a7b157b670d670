// S1..S3: what one neuron computes, what its weights and its bias do.
#include "soma/neuron.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "experiment.hpp"
#include "plot.hpp"
#include "random.hpp"
#include "soma/model.hpp"
#include "soma/predictor.hpp"

namespace lab {
namespace {

/// z = w . x + b in the canonical order: fma chains over blocks of 512 terms, then the bias. With
/// `two_roundings`, each product is rounded before it is added.
float closed_form(std::span<const float> w, std::span<const float> x, float b, bool two_roundings) {
  constexpr std::size_t kBlock = 512;
  float total = 0;
  for (std::size_t start = 0; start < w.size(); start += kBlock) {
    float block = 0;
    for (std::size_t k = start; k < std::min(w.size(), start + kBlock); ++k) {
      block = two_roundings ? w[k] * x[k] + block : std::fma(w[k], x[k], block);
    }
    total += block;
  }
  return total + b;
}

Finding weighted_sum(const Setting& setting) {
  constexpr std::array<std::int64_t, 7> kSizes{1, 2, 3, 17, 511, 513, 1025};
  Random random(setting.seed, "lab.weighted_sum");
  const int rounds = setting.quick ? 20 : 200;
  std::int64_t cases = 0, unlike_neuron = 0, unlike_layer = 0;
  for (const std::int64_t size : kSizes) {
    soma::Model layer({size}, "one_neuron");
    layer.add(soma::Dense{.units = 1, .activation = "relu"}, "unit");
    layer.initialize(setting.seed);
    for (int round = 0; round < rounds; ++round, ++cases) {
      const auto w = random.normals(size), x = random.normals(size);
      const auto b = static_cast<float>(random.normal());
      const float z = closed_form(w, x, b, setting.sabotage), y = z > 0 ? z : 0.0f;
      const soma::Neuron neuron(w, b, "relu");
      unlike_neuron +=
          std::bit_cast<std::uint32_t>(neuron.forward(x)) != std::bit_cast<std::uint32_t>(y);
      std::ranges::copy(w, layer.parameter("unit.weight").value.as<float>().begin());
      layer.parameter("unit.bias").value.as<float>()[0] = b;
      const soma::Predictor predict(layer, setting.backend,
                                    {.probabilities = false, .concurrency = 1});
      float answer = 0;
      predict.run(std::span<const float>(x), std::span(&answer, 1));
      unlike_layer += std::bit_cast<std::uint32_t>(answer) != std::bit_cast<std::uint32_t>(y);
    }
  }
  Finding found;
  found.holds = unlike_neuron == 0 && unlike_layer == 0;
  found.measured = "Of " + text_of(static_cast<double>(cases)) +
                   " random neurons with 1 to 1,025 inputs, " +
                   text_of(static_cast<double>(cases - unlike_neuron)) +
                   " gave the closed form to the last bit as soma::Neuron and " +
                   text_of(static_cast<double>(cases - unlike_layer)) +
                   " as a layer of one unit on " + setting.backend.name() + ".";
  found.figures = {{"cases", static_cast<double>(cases)},
                   {"neurons_with_other_bits", static_cast<double>(unlike_neuron)},
                   {"layers_with_other_bits", static_cast<double>(unlike_layer)}};
  found.seeds = {setting.seed};
  Points relu, sigmoid, tanh;
  for (double z = -4; z <= 4; z += 0.1) {
    const std::array x{static_cast<float>(z)};
    relu.emplace_back(z, soma::Neuron({1}, 0, "relu").forward(x));
    sigmoid.emplace_back(z, soma::Neuron({1}, 0, "sigmoid").forward(x));
    tanh.emplace_back(z, soma::Neuron({1}, 0, "tanh").forward(x));
  }
  found.picture = Plot("The second stage: f of the weighted sum", "weighted sum z", "output y")
                      .line("relu", relu)
                      .line("sigmoid", sigmoid)
                      .line("tanh", tanh)
                      .svg();
  return found;
}

Finding signs(const Setting& setting) {
  Random random(setting.seed, "lab.signs");
  const int neurons = setting.quick ? 200 : 2000;
  constexpr std::int64_t kInputs = 8;
  std::int64_t cases = 0, right_sign = 0, flipped = 0, ordered = 0;
  Points picture;
  for (int n = 0; n < neurons; ++n) {
    auto w = random.normals(kInputs);
    if (setting.sabotage) {
      for (float& v : w) v = std::abs(v) - 1;  // the sign on paper is no longer the one at work
    }
    const auto told = setting.sabotage ? random.normals(kInputs) : w;
    const auto x = random.normals(kInputs, 0.3);  // where tanh is not saturated
    const soma::Neuron neuron(w, 0, "tanh");
    const double before = neuron.forward(x);
    std::vector<double> change(kInputs);
    for (std::size_t k = 0; k < kInputs; ++k, ++cases) {
      auto nudged = x;
      nudged[k] += 0.25f;
      change[k] = neuron.forward(nudged) - before;
      right_sign += (change[k] > 0) == (told[k] > 0);
      auto turned = w;
      turned[k] = -turned[k];
      const soma::Neuron other(turned, 0, "tanh");
      flipped += (other.forward(nudged) - other.forward(x) > 0) == (told[k] < 0);
      if (n < 60) picture.emplace_back(told[k], change[k]);
    }
    std::size_t strongest = 0, heaviest = 0;
    for (std::size_t k = 1; k < kInputs; ++k) {
      if (std::abs(change[k]) > std::abs(change[strongest])) strongest = k;
      if (std::abs(told[k]) > std::abs(told[heaviest])) heaviest = k;
    }
    // A saturated neuron answers with rounding alone; the order of the weighted sums decides then.
    ordered += strongest == heaviest ||
               std::abs(std::abs(change[strongest]) - std::abs(change[heaviest])) <
                   0.5 * std::abs(change[strongest]);
  }
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  Finding found;
  found.figures = {{"same_sign", share(right_sign, cases)},
                   {"turned_with_the_weight", share(flipped, cases)},
                   {"largest_weight_strongest", share(ordered, neurons)}};
  found.holds = found.figures[0].value > 0.999 && found.figures[1].value > 0.999 &&
                found.figures[2].value > 0.9;
  found.measured =
      "Raising an input by 1/4 moved the output in the direction of its weight's sign in " +
      text_of(100 * found.figures[0].value, 5) + " % of " + text_of(static_cast<double>(cases)) +
      " cases, in the other direction after the weight was negated in " +
      text_of(100 * found.figures[1].value, 5) +
      " %; the largest |w| moved it most, or nearly so, in " +
      text_of(100 * found.figures[2].value) + " % of the neurons.";
  found.seeds = {setting.seed};
  found.picture = Plot("Change of the output for a small rise of one input", "weight of that input",
                       "change of y (tanh)")
                      .dots("", picture)
                      .svg();
  return found;
}

struct TwoClusters {
  std::vector<float> x;
  std::vector<int> targets;
};

/// Two groups on one side of the origin: only a boundary that does not pass through 0 parts them.
TwoClusters away_from_origin(std::uint64_t seed) {
  Random random(seed, "lab.bias");
  TwoClusters data;
  for (int i = 0; i < 100; ++i) {
    const bool far = i % 2 == 1;
    data.x.push_back(static_cast<float>((far ? 3.0 : 1.0) + random.uniform(-0.4, 0.4)));
    data.targets.push_back(far ? 1 : -1);
  }
  return data;
}

double share_right(const std::vector<float>& x, const std::vector<int>& targets, float w, float b) {
  double right = 0;
  for (std::size_t i = 0; i < x.size(); ++i) right += (w * x[i] + b > 0 ? 1 : -1) == targets[i];
  return right / static_cast<double>(x.size());
}

Finding bias(const Setting& setting) {
  const TwoClusters data = away_from_origin(setting.seed);
  soma::Perceptron with(1);
  with.fit(data.x, data.targets, 1000);
  const float used_bias = setting.sabotage ? 0.0f : with.bias();
  const double with_bias = share_right(data.x, data.targets, with.weights()[0], used_bias);
  // Through the origin there are two boundaries in one dimension: w > 0 and w < 0.
  const double without =
      std::max(share_right(data.x, data.targets, 1, 0), share_right(data.x, data.targets, -1, 0));

  Random random(setting.seed, "lab.bias.input");
  std::int64_t same = 0, cases = setting.quick ? 200 : 2000;
  for (std::int64_t i = 0; i < cases; ++i) {
    auto w = random.normals(7), x = random.normals(7);
    const auto b = static_cast<float>(random.normal());
    const float as_bias = soma::Neuron(w, b, "tanh").forward(x);
    w.push_back(b);
    x.push_back(1);
    const float as_weight = soma::Neuron(w, 0, "tanh").forward(x);
    same += std::bit_cast<std::uint32_t>(as_bias) == std::bit_cast<std::uint32_t>(as_weight);
  }
  const std::array<float, 3> nothing{};
  const float silent = soma::Neuron({1, -2, 3}, 0, "relu").forward(nothing);
  const float firing = soma::Neuron({1, -2, 3}, 0.5f, "relu").forward(nothing);

  Finding found;
  found.holds = with_bias == 1 && without < 1 && same == cases && silent == 0 && firing > 0;
  found.measured =
      "Of two groups beside the origin a neuron with a bias told " + text_of(100 * with_bias, 4) +
      " % apart, the best one without " + text_of(100 * without, 4) +
      " %. A bias and a weight on a constant input 1 gave the same bits in " +
      text_of(static_cast<double>(same)) + " of " + text_of(static_cast<double>(cases)) +
      " cases. On all-zero input the neuron said " + text_of(silent) + " without and " +
      text_of(firing) + " with a bias.";
  found.figures = {
      {"accuracy_with_bias", with_bias},
      {"accuracy_without_bias", without},
      {"same_bits_as_constant_input", static_cast<double>(same) / static_cast<double>(cases)},
      {"output_on_zero_input", firing}};
  found.seeds = {setting.seed};
  Plot plot("The bias shifts the curve along its input", "input x", "output y (sigmoid)");
  for (const float b : {-2.0f, 0.0f, 2.0f}) {
    Points curve;
    for (float x = -6; x <= 6; x += 0.1f) {
      curve.emplace_back(x, soma::Neuron({1}, b, "sigmoid").forward(std::span(&x, 1)));
    }
    plot.line("b = " + text_of(b), curve);
  }
  found.picture = plot.svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"weighted_sum", "S1", "One neuron, two stages, one number",
     "A neuron computes y = f(w . x + b): a weighted sum and a function of it, a single number.",
     "The closed form, evaluated with one rounding for each multiply-add in the stated order, "
     "against soma::Neuron and a "
     "dense layer of one unit: all bits must be equal.",
     "rounds each product before it is added", weighted_sum},
    {"excite_inhibit", "S2", "Signs and sizes of weights",
     "A positive weight excites, a negative one inhibits, and its size is the strength of the "
     "connection.",
     "Each input of random neurons (tanh) is raised by 1/4; the sign of the change, what negating "
     "the weight does to it, and "
     "whether the largest weight moves the output most.",
     "judges by other weights than those at work", signs},
    {"bias", "S3", "What the bias is for",
     "The bias shifts the boundary off the origin, is a weight on a constant input 1, and lets a "
     "neuron fire on all-zero input.",
     "A perceptron with a bias against every boundary through the origin on two groups beside it; "
     "bits of a neuron with a bias "
     "against those of one with a constant input.",
     "ignores the learned bias", bias},
};

}  // namespace

std::span<const Experiment> neuron_experiments() { return kExperiments; }

}  // namespace lab
