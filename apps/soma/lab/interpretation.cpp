// S87, S90..S93: pictures that neurons like, features that share neurons, and how to part them.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "plot.hpp"
#include "random.hpp"
#include "soma/dataset.hpp"
#include "soma/model.hpp"
#include "soma/neuron/maximise.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
#include "watch.hpp"

namespace lab {
namespace {

Finding maximisation(const Setting& setting) {
  const soma::DataSplit data = soma::data::load("glyphs", setting.seed);
  soma::Model net({28, 28, 1}, "digits");
  net.add(soma::Conv2d{.filters = 8, .kernel = 5, .activation = "relu"}, "conv")
      .add(soma::MaxPool2d{.size = 4}, "pool");
  net.add(soma::Flatten{}, "flat")
      .add(soma::Dense{.units = 32, .activation = "relu"}, "hidden")
      .add(soma::Dense{.units = 10}, "out");
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Adam{.learning_rate = 2e-3},
                         .seed = setting.seed,
                         .threads = setting.threads});
  trainer.fit(data.train.head(setting.quick ? 2000 : 8000), {.epochs = 4, .batch = 32});
  const soma::Predictor judge(net, setting.backend, {.concurrency = 1});
  std::vector<std::int64_t> digits(10);
  std::iota(digits.begin(), digits.end(), 0);
  const auto liked = soma::maximise(net, "out", digits, setting.backend,
                                    {.steps = setting.sabotage ? 0 : 300,
                                     .seed = setting.seed,
                                     .log_probability = true,
                                     .threads = setting.threads});
  Finding found;
  int sure = 0;
  double least = 1;
  std::vector<double> picture(56 * 140);
  for (const soma::Maximised& digit : liked) {
    const std::vector<float>& image = digit.input;
    std::vector<float> p(10);
    judge.run(std::span<const float>(image), p);
    const auto place = static_cast<std::size_t>(digit.unit);
    sure += p[place] > 0.99f;
    least = std::min(least, double{p[place]});
    // Two rows of five.
    for (std::size_t r = 0; r < 28; ++r) {
      for (std::size_t c = 0; c < 28; ++c)
        picture[(place / 5 * 28 + r) * 140 + place % 5 * 28 + c] = image[r * 28 + c];
    }
    found.figures.push_back({"digit_" + std::to_string(place), p[place]});
  }
  found.holds = sure == 10;
  found.measured =
      "Gradient ascent on the pixels made, for " + std::to_string(sure) +
      " of 10 outputs, an image that the net calls that digit with more than 99 % (the least: " +
      text_of(100 * least, 4) + " %).";
  found.seeds = {setting.seed};
  found.picture =
      heat_map("What each of the ten outputs likes best, 0 to 9", 56, 140, picture, {}, {});
  return found;
}

struct Toy {
  int represented = 0;
  std::vector<std::array<double, 2>> directions;
  double shared = 0;  // features per neuron
};

/// That many features through two neurons; each feature is there with probability 1 - sparsity.
Toy squeeze(const Setting& setting, std::size_t features, double sparsity, std::uint64_t seed) {
  constexpr std::size_t kBatch = 256;
  soma::Model net({static_cast<std::int64_t>(features)});
  net.add(soma::Dense{.units = 2, .bias = false}, "in")
      .add(soma::Dense{.units = static_cast<std::int64_t>(features), .activation = "relu"}, "back")
      .set_loss(soma::Loss::mean_squared_error);
  soma::Trainer trainer(
      net, setting.backend,
      {.optimizer = soma::Adam{.learning_rate = 5e-3}, .seed = seed, .threads = 1});
  Random random(seed, "lab.superposition");
  std::vector<float> x(kBatch * features);
  const int steps = setting.quick ? 2500 : 8000;
  soma::Parameter &in = net.parameter("in.weight"), &back = net.parameter("back.weight");
  const auto w = in.value.as<float>(), transposed = back.value.as<float>();
  // The way back is the way in, transposed: after each update both become their mean.
  const auto tie = [&] {
    for (std::size_t n = 0; n < 2; ++n) {
      for (std::size_t f = 0; f < features; ++f) {
        float &a = w[n * features + f], &b = transposed[f * 2 + n];
        a = b = (a + b) / 2;
      }
    }
    ++in.version, ++back.version;
  };
  for (int step = 0; step < steps; ++step) {
    tie();
    for (float& v : x)
      v = random.uniform() < sparsity ? 0.0f : static_cast<float>(random.uniform());
    trainer.step(x, x);
  }
  tie();
  Toy toy;
  // A feature comes back if most of its variance does, on fresh samples of the same kind.
  constexpr std::size_t kFresh = 8192;
  std::vector<float> fresh(kFresh * features), y(fresh.size());
  for (float& v : fresh)
    v = random.uniform() < sparsity ? 0.0f : static_cast<float>(random.uniform());
  const soma::Predictor predict(net, setting.backend,
                                {.max_batch = kFresh, .probabilities = false, .concurrency = 1});
  predict.run(std::span<const float>(fresh), y);
  for (std::size_t f = 0; f < features; ++f) {
    double mean = 0, variance = 0, error = 0;
    for (std::size_t i = f; i < fresh.size(); i += features)
      mean += fresh[i] / static_cast<double>(kFresh);
    for (std::size_t i = f; i < fresh.size(); i += features) {
      variance += (fresh[i] - mean) * (fresh[i] - mean);
      error += (y[i] - fresh[i]) * (y[i] - fresh[i]);
    }
    toy.represented += error < 0.5 * variance;
    toy.directions.push_back({w[f], w[features + f]});
  }
  for (std::size_t n = 0; n < 2; ++n) {
    double most = 0;
    for (const auto& d : toy.directions) most = std::max(most, std::abs(d[n]));
    for (const auto& d : toy.directions) toy.shared += (std::abs(d[n]) > 0.2 * most) / 2.0;
  }
  return toy;
}

/// Where the features point in the plane of the two neurons, lengths against the longest.
std::string star(const std::string& title, const Toy& toy) {
  double longest = 0;
  for (const auto& [a, b] : toy.directions) longest = std::max(longest, std::hypot(a, b));
  Plot plot(title, "weight to neuron 1", "weight to neuron 2");
  // The same unit on both axes.
  plot.range_x(-2.1, 2.1).range_y(-1.2, 1.2);
  for (const auto& [a, b] : toy.directions) plot.line("", {{0, 0}, {a / longest, b / longest}});
  return plot.svg();
}

/// Sparsity against the number of features: the share of them that comes back.
std::string phases(const Setting& setting) {
  if (setting.quick) return "";
  constexpr std::array kSparsities{0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98};
  std::vector<double> shares;
  std::vector<std::string> rows, columns;
  for (const double sparsity : kSparsities) columns.push_back(text_of(sparsity));
  for (std::size_t features = 2; features <= 9; ++features) {
    rows.push_back(std::to_string(features) + " features");
    for (const double sparsity : kSparsities) {
      const Toy toy = squeeze(setting, features, sparsity, setting.seed);
      shares.push_back(toy.represented / static_cast<double>(features));
    }
  }
  return heat_map("Share of the features that comes back, by sparsity",
                  static_cast<int>(rows.size()), static_cast<int>(columns.size()), shares, rows,
                  columns);
}

Finding superposition(const Setting& setting) {
  Points phase;
  Toy dense, sparse;
  int best_dense = 0, best_sparse = 0;
  Finding found;
  const int seeds = setting.quick ? 3 : 5;
  for (int s = 0; s < seeds; ++s)
    found.seeds.push_back(setting.seed + static_cast<std::uint64_t>(s));
  const std::vector<double> sparsities = setting.quick
                                             ? std::vector{0.0, 0.5, 0.8, 0.95}
                                             : std::vector{0.0, 0.5, 0.8, 0.9, 0.95, 0.98};
  const double sparsest = sparsities.back();
  for (const double sparsity : sparsities) {
    int best = 0;
    for (const auto seed : found.seeds) {
      const Toy toy = squeeze(setting, 6, setting.sabotage ? 0 : sparsity, seed);
      if (toy.represented > best || sparse.directions.empty() || dense.directions.empty()) {
        if (sparsity == 0) dense = toy;
        if (sparsity == sparsest) sparse = toy;
      }
      best = std::max(best, toy.represented);
    }
    if (sparsity == 0) best_dense = best;
    if (sparsity == sparsest) best_sparse = best;
    phase.emplace_back(sparsity, best);
    found.figures.push_back({"features_at_" + text_of(sparsity), static_cast<double>(best)});
  }
  // Directions that overlap: more of them than dimensions, none at a right angle to all others.
  double overlapping = 0;
  for (std::size_t a = 0; a < sparse.directions.size(); ++a) {
    bool overlaps = false;
    for (std::size_t b = 0; b < sparse.directions.size(); ++b) {
      if (a == b) continue;
      const auto &u = sparse.directions[a], &v = sparse.directions[b];
      const double cosine =
          (u[0] * v[0] + u[1] * v[1]) / (std::hypot(u[0], u[1]) * std::hypot(v[0], v[1]));
      overlaps |= std::abs(cosine) > 0.2;
    }
    overlapping += overlaps;
  }
  found.figures.push_back({"features_per_neuron", sparse.shared});
  found.figures.push_back({"overlapping_directions", overlapping});
  found.holds = best_dense <= 3 && best_sparse >= 5 && overlapping >= 5 && sparse.shared > 2;
  found.measured = "Six features through two neurons: " + std::to_string(best_dense) +
                   " came back where all are always there, " + std::to_string(best_sparse) +
                   " where each is there in " + text_of(100 * (1 - sparsest)) +
                   " % of the samples. There " + text_of(overlapping) +
                   " of 6 directions overlap with others, and each neuron takes part in " +
                   text_of(sparse.shared) + " features.";
  found.picture = Plot("Features that two neurons carry", "sparsity (share of absence)",
                       "features that come back")
                      .line("", phase)
                      .dots("", phase)
                      .range_y(0, 6.5)
                      .svg() +
                  star("Directions of six features that are always there", dense) +
                  star("Directions of six sparse features", sparse) + phases(setting);
  return found;
}

Finding sparse_autoencoder(const Setting& setting) {
  // Activations of four neurons that carry eight sparse features; the truth is known.
  constexpr std::size_t kNeurons = 4, kFeatures = 8, kCodes = 16;
  constexpr std::int64_t kBatch = 256;
  Random random(setting.seed, "lab.sae");
  std::array<std::array<double, kNeurons>, kFeatures> truth;
  for (auto& direction : truth) {
    double length = 0;
    for (double& v : direction) v = random.normal(), length += v * v;
    for (double& v : direction) v /= std::sqrt(length);
  }
  const auto draw = [&](std::vector<float>& x) {
    std::ranges::fill(x, 0.0f);
    for (std::int64_t i = 0; i < kBatch; ++i) {
      for (std::size_t f = 0; f < kFeatures; ++f) {
        if (random.uniform() > 0.08) continue;
        const double size = random.uniform(0.5, 1.5);
        for (std::size_t k = 0; k < kNeurons; ++k)
          x[static_cast<std::size_t>(i) * kNeurons + k] += static_cast<float>(size * truth[f][k]);
      }
    }
  };
  soma::Model net({static_cast<std::int64_t>(kNeurons)});
  net.add(soma::Dense{.units = kCodes, .activation = "relu"}, "code")
      .add(soma::Dense{.units = kNeurons}, "back");
  net.set_outputs({"back", "code"});
  // Activities cost: |code| against 0.
  net.set_loss(soma::Loss::mean_squared_error, "back")
      .set_loss(soma::Loss::mean_absolute_error, "code", setting.sabotage ? 0.0 : 0.1);
  soma::Trainer trainer(
      net, setting.backend,
      {.optimizer = soma::Adam{.learning_rate = 3e-3}, .seed = setting.seed, .threads = 1});
  std::vector<float> x(kBatch * kNeurons), silence(kBatch * kCodes);
  auto& decoder = net.parameter("back.weight");
  const auto normalise = [&] {
    // Codes of no size would cost nothing: their directions keep length 1.
    auto w = decoder.value.as<float>();
    for (std::size_t c = 0; c < kCodes; ++c) {
      double length = 0;
      for (std::size_t k = 0; k < kNeurons; ++k)
        length += double{w[k * kCodes + c]} * w[k * kCodes + c];
      for (std::size_t k = 0; k < kNeurons; ++k)
        w[k * kCodes + c] =
            static_cast<float>(w[k * kCodes + c] / std::max(1e-6, std::sqrt(length)));
    }
    ++decoder.version;
  };
  const int steps = setting.quick ? 4000 : 12000;
  for (int step = 0; step < steps; ++step) {
    draw(x);
    normalise();
    const std::array<soma::TensorView, 1> inputs{x};
    const std::array<soma::TensorView, 2> targets{x, silence};
    trainer.step(inputs, targets);
  }
  // Monosemanticity: how well the nearest unit's activity follows each feature (correlation), for
  // the neurons as they are and for the codes.
  draw(x);
  std::vector<double> before(kFeatures), after(kFeatures);
  {
    constexpr int kSamples = 4000;
    const soma::Predictor predict(net, setting.backend, {.probabilities = false, .concurrency = 1});
    std::vector<std::array<double, kFeatures>> there;
    std::vector<std::array<double, kNeurons>> neurons;
    std::vector<std::array<double, kCodes>> codes;
    for (int i = 0; i < kSamples; ++i) {
      std::array<double, kFeatures> f{};
      std::array<float, kNeurons> activity{};
      for (std::size_t k = 0; k < kFeatures; ++k) {
        if (random.uniform() > 0.08) continue;
        f[k] = random.uniform(0.5, 1.5);
        for (std::size_t n = 0; n < kNeurons; ++n)
          activity[n] += static_cast<float>(f[k] * truth[k][n]);
      }
      std::array<float, kNeurons> back;
      std::array<float, kCodes> code;
      const std::array<soma::TensorView, 1> inputs{std::span<const float>(activity)};
      const std::array<std::span<float>, 2> outputs{back, code};
      predict.run(inputs, outputs);
      there.push_back(f);
      auto& n = neurons.emplace_back();
      std::ranges::copy(activity, n.begin());
      auto& c = codes.emplace_back();
      std::ranges::copy(code, c.begin());
    }
    const auto correlation = [&](const auto& units, std::size_t u, std::size_t f) {
      double mu = 0, mf = 0, uu = 0, ff = 0, uf = 0;
      for (int i = 0; i < kSamples; ++i)
        mu += units[static_cast<std::size_t>(i)][u] / kSamples,
            mf += there[static_cast<std::size_t>(i)][f] / kSamples;
      for (int i = 0; i < kSamples; ++i) {
        const double a = units[static_cast<std::size_t>(i)][u] - mu,
                     b = there[static_cast<std::size_t>(i)][f] - mf;
        uu += a * a, ff += b * b, uf += a * b;
      }
      return uu == 0 || ff == 0 ? 0.0 : std::abs(uf) / std::sqrt(uu * ff);
    };
    for (std::size_t f = 0; f < kFeatures; ++f) {
      for (std::size_t u = 0; u < kNeurons; ++u)
        before[f] = std::max(before[f], correlation(neurons, u, f));
      for (std::size_t u = 0; u < kCodes; ++u)
        after[f] = std::max(after[f], correlation(codes, u, f));
    }
  }
  double mean_before = 0, mean_after = 0;
  Points b, a;
  for (std::size_t f = 0; f < kFeatures; ++f) {
    mean_before += before[f] / kFeatures;
    mean_after += after[f] / kFeatures;
    b.emplace_back(static_cast<double>(f + 1), before[f]);
    a.emplace_back(static_cast<double>(f + 1), after[f]);
  }
  Finding found;
  found.holds = mean_after > 0.8 && mean_after > mean_before + 0.2;
  found.measured =
      "Eight features in four neurons: the neuron nearest to a feature follows it with a "
      "correlation of " +
      text_of(mean_before) + " on average, the unit of a sparse autoencoder with " +
      text_of(mean_after) + ".";
  found.figures = {{"before", mean_before}, {"after", mean_after}};
  found.seeds = {setting.seed};
  found.picture =
      Plot("How well one unit follows one feature", "feature", "correlation of the nearest unit")
          .bars("neurons", b)
          .bars("sparse autoencoder", a)
          .range_y(0, 1)
          .svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"activation_maximisation", "S87", "Images that a neuron likes",
     "Gradient ascent on the input shows what a neuron looks for.",
     "For each output of a net trained on digits, 300 steps of ascent on the pixels with decay and "
     "smoothing: "
     "how sure the net is of the image. Erhan et al. (2009).",
     "takes no step of the ascent", maximisation},
    {"superposition", "S90 S91", "More features than neurons",
     "When features are sparse a layer represents more of them than it has neurons, in overlapping "
     "directions.",
     "Six features through two neurons and back by the same weights, at sparsities 0 to 0.95 "
     "(quick) or 0.98; a feature counts if more than half of its variance comes back. Elhage et "
     "al., arXiv:2209.10652.",
     "makes all features always present", superposition},
    {"sparse_autoencoder", "S92 S93", "Parting the features again",
     "A sparse autoencoder finds units that each stand for one feature.",
     "Four neurons that carry eight known sparse features: correlation of the nearest unit with "
     "each feature, before and after. Bricken et al. (2023).",
     "sets the cost of activity to 0", sparse_autoencoder},
};

}  // namespace

std::span<const Experiment> interpretation_experiments() { return kExperiments; }

}  // namespace lab
