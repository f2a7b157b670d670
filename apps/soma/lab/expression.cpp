// S29..S31: what non-linearity is for, what nets can express, and one activation against another.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "experiment.hpp"
#include "plot.hpp"
#include "random.hpp"
#include "soma/dataset.hpp"
#include "soma/lbfgs.hpp"
#include "soma/model.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
#include "statistics.hpp"

namespace lab {
namespace {

using Matrix = std::vector<double>;  // row by row

Matrix product(const Matrix& a, const Matrix& b, std::size_t rows, std::size_t inner,
               std::size_t columns) {
  Matrix c(rows * columns);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t k = 0; k < inner; ++k) {
      for (std::size_t j = 0; j < columns; ++j)
        c[r * columns + j] += a[r * inner + k] * b[k * columns + j];
    }
  }
  return c;
}

/// Solves the normal equations for the columns of `rhs` by Gauss' elimination with pivots.
Matrix solve(Matrix a, Matrix rhs, std::size_t n, std::size_t columns) {
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t r = k + 1; r < n; ++r) {
      if (std::abs(a[r * n + k]) > std::abs(a[pivot * n + k])) pivot = r;
    }
    for (std::size_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
    for (std::size_t j = 0; j < columns; ++j)
      std::swap(rhs[k * columns + j], rhs[pivot * columns + j]);
    for (std::size_t r = 0; r < n; ++r) {
      if (r == k) continue;
      const double factor = a[r * n + k] / a[k * n + k];
      for (std::size_t j = k; j < n; ++j) a[r * n + j] -= factor * a[k * n + j];
      for (std::size_t j = 0; j < columns; ++j)
        rhs[r * columns + j] -= factor * rhs[k * columns + j];
    }
  }
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t j = 0; j < columns; ++j) rhs[r * columns + j] /= a[r * n + r];
  }
  return rhs;
}

Finding linear_collapse(const Setting& setting) {
  constexpr std::size_t kIn = 6, kOut = 2, kDepth = 6, kWidth = 12, kSamples = 128;
  const std::string activation = setting.sabotage ? "tanh" : "";
  soma::Model net({kIn}, "linear");
  for (std::size_t i = 0; i + 1 < kDepth; ++i)
    net.add(soma::Dense{.units = kWidth, .bias = false, .activation = activation});
  net.add(soma::Dense{.units = kOut, .bias = false}).set_loss(soma::Loss::mean_squared_error);
  net.initialize(setting.seed);
  Random random(setting.seed, "lab.linear");
  const auto x = random.normals(kIn * kSamples);
  const auto mixing = random.normals(kOut * kIn);
  std::vector<float> targets(kOut * kSamples);
  for (std::size_t i = 0; i < kSamples; ++i) {
    for (std::size_t o = 0; o < kOut; ++o) {
      double t = 0.3 * random.normal();
      for (std::size_t k = 0; k < kIn; ++k) t += double{mixing[o * kIn + k]} * x[i * kIn + k];
      targets[i * kOut + o] = static_cast<float>(t);
    }
  }
  soma::Trainer trainer(
      net, setting.backend,
      {.optimizer = soma::Adam{.learning_rate = 3e-3}, .seed = setting.seed, .threads = 1});
  const int steps = setting.quick ? 3000 : 10000;
  for (int step = 0; step < steps; ++step) trainer.step(x, targets);

  // One matrix for the whole net.
  Matrix collapsed(kIn * kIn);
  for (std::size_t k = 0; k < kIn; ++k) collapsed[k * kIn + k] = 1;
  std::size_t rows = kIn;
  for (const soma::Parameter& p : net.parameters()) {
    const auto w = p.value.as<float>();
    const auto out = static_cast<std::size_t>(p.value.shape()[0]);
    collapsed = product(Matrix(w.begin(), w.end()), collapsed, out, rows, kIn);
    rows = out;
  }
  const soma::Predictor predict(net, setting.backend, {.max_batch = kSamples, .concurrency = 1});
  std::vector<float> y(kOut * kSamples);
  predict.run(std::span<const float>(x), y);
  // Least squares: (X'X) B = X'T.
  Matrix gram(kIn * kIn), moments(kIn * kOut);
  for (std::size_t i = 0; i < kSamples; ++i) {
    for (std::size_t r = 0; r < kIn; ++r) {
      for (std::size_t c = 0; c < kIn; ++c)
        gram[r * kIn + c] += double{x[i * kIn + r]} * x[i * kIn + c];
      for (std::size_t o = 0; o < kOut; ++o)
        moments[r * kOut + o] += double{x[i * kIn + r]} * targets[i * kOut + o];
    }
  }
  const Matrix best = solve(gram, moments, kIn, kOut);
  double off_matrix = 0, off_least_squares = 0, size = 0;
  Points scatter;
  for (std::size_t i = 0; i < kSamples; ++i) {
    for (std::size_t o = 0; o < kOut; ++o) {
      double by_matrix = 0, by_squares = 0;
      for (std::size_t k = 0; k < kIn; ++k) {
        by_matrix += collapsed[o * kIn + k] * x[i * kIn + k];
        by_squares += best[k * kOut + o] * x[i * kIn + k];
      }
      const double found = y[i * kOut + o];
      off_matrix = std::max(off_matrix, std::abs(found - by_matrix));
      off_least_squares = std::max(off_least_squares, std::abs(found - by_squares));
      size = std::max(size, std::abs(found));
      scatter.emplace_back(by_squares, found);
    }
  }
  Finding found;
  found.holds = off_matrix / size < 1e-6 && off_least_squares / size < 1e-2;
  found.measured =
      "Six layers without activation gave what the one product of their matrices gives, to " +
      text_of(off_matrix / size) +
      " of the largest output; trained, they gave what linear regression gives, to " +
      text_of(off_least_squares / size) + ".";
  found.figures = {{"error_against_product", off_matrix / size},
                   {"error_against_least_squares", off_least_squares / size}};
  found.seeds = {setting.seed};
  found.picture = Plot("Six layers against linear regression", "least squares", "the net")
                      .dots("", scatter)
                      .svg();
  return found;
}

double largest_error(const Setting& setting, const std::function<double(double)>& f,
                     std::int64_t width, std::uint64_t seed, int iterations) {
  constexpr std::size_t kPoints = 128;
  std::vector<float> x(kPoints), t(kPoints);
  for (std::size_t i = 0; i < kPoints; ++i) {
    x[i] = static_cast<float>(-1 + 2 * (static_cast<double>(i) + 0.5) / kPoints);
    t[i] = static_cast<float>(f(x[i]));
  }
  soma::Model net({1}, "approximation");
  net.add(soma::Dense{
      .units = width, .activation = setting.sabotage ? "" : "tanh", .init = soma::Init::normal(3)});
  net.add(soma::Dense{.units = 1}).set_loss(soma::Loss::mean_squared_error);
  net.initialize(seed);
  // Bends all over the interval to start from.
  auto biases = net.parameters()[1].value.as<float>();
  Random random(seed, "lab.approximation");
  for (float& b : biases) b = static_cast<float>(random.uniform(-3, 3));
  soma::Tensor inputs({kPoints, 1}), targets({kPoints, 1});
  std::ranges::copy(x, inputs.as<float>().begin());
  std::ranges::copy(t, targets.as<float>().begin());
  soma::Lbfgs{.iterations = iterations}.fit(
      net, setting.backend, soma::Dataset("function", std::move(inputs), std::move(targets)), 1);
  const soma::Predictor predict(net, setting.backend, {.max_batch = kPoints, .concurrency = 1});
  std::vector<float> y(kPoints);
  predict.run(std::span<const float>(x), y);
  double worst = 0;
  for (std::size_t i = 0; i < kPoints; ++i) worst = std::max(worst, std::abs(double{y[i]} - t[i]));
  return worst;
}

Finding universal_approximation(const Setting& setting) {
  struct Target {
    const char* name;
    double (*f)(double);
  };
  constexpr Target kTargets[] = {
      {"sin(5x)", [](double x) { return std::sin(5 * x); }},
      {"|x|", [](double x) { return std::abs(x); }},
      {"x^3 - x/2", [](double x) { return x * x * x - x / 2; }},
      {"exp(-20x^2)", [](double x) { return std::exp(-20 * x * x); }},
      {"sin(2x) + cos(7x)/2", [](double x) { return std::sin(2 * x) + std::cos(7 * x) / 2; }},
  };
  constexpr std::array<std::int64_t, 4> kWidths{1, 2, 4, 16};
  const int seeds = setting.quick ? 3 : 5, iterations = setting.quick ? 600 : 4000;
  Finding found;
  for (int s = 0; s < seeds; ++s)
    found.seeds.push_back(setting.seed + static_cast<std::uint64_t>(s));
  Plot plot("Wider nets come nearer", "hidden neurons", "largest error on [-1, 1]");
  plot.log_x().log_y();
  // Below this, errors are those of training in float32, not of the width.
  constexpr double kClose = 0.02;
  int falling = 0;
  double widest = 0;
  for (const Target& target : kTargets) {
    Points line;
    bool falls = true;
    for (const std::int64_t width : kWidths) {
      double best = 1e9;
      for (const auto seed : found.seeds)
        best = std::min(best, largest_error(setting, target.f, width, seed, iterations));
      falls &= line.empty() || best < line.back().second || best < kClose;
      line.emplace_back(static_cast<double>(width), best);
      found.figures.push_back({std::string(target.name) + " width " + std::to_string(width), best});
    }
    falling += falls;
    widest = std::max(widest, line.back().second);
    plot.line(target.name, line);
  }
  found.holds = falling == 5 && widest < kClose;
  found.measured = "The largest error of the best of " + std::to_string(seeds) +
                   " starts fell with every step in width (1, 2, 4, 16) on " +
                   std::to_string(falling) +
                   " of 5 functions; with 16 hidden neurons it is at most " + text_of(widest) + ".";
  found.picture = plot.svg();
  return found;
}

double accuracy_with(const Setting& setting, const soma::DataSplit& data,
                     const std::string& activation, std::uint64_t seed) {
  soma::Model net(data.train.sample_shape(), "deep");
  net.add(soma::Flatten{});
  for (int i = 0; i < 8; ++i) net.add(soma::Dense{.units = 48, .activation = activation});
  net.add(soma::Dense{.units = data.train.classes()});
  soma::Trainer trainer(
      net, setting.backend,
      {.optimizer = soma::Adam{.learning_rate = 1e-3}, .seed = seed, .threads = 1});
  trainer.fit(data.train.head(setting.quick ? 1500 : 6000), {.epochs = 6, .batch = 32});
  return trainer.evaluate(data.test.head(2000)).accuracy;
}

Finding swish_against_relu(const Setting& setting) {
  const soma::DataSplit data = soma::data::load("glyphs", setting.seed);
  const int seeds = setting.quick ? 10 : 20;
  std::vector<double> differences;
  Finding found;
  double relu = 0, swish = 0;
  Points pairs;
  for (int s = 0; s < seeds; ++s) {
    const auto seed = setting.seed + static_cast<std::uint64_t>(s);
    found.seeds.push_back(seed);
    const double a = accuracy_with(setting, data, "relu", seed),
                 b = accuracy_with(setting, data, setting.sabotage ? "relu" : "swish", seed);
    relu += a / seeds;
    swish += b / seeds;
    differences.push_back(b - a);
    pairs.emplace_back(100 * a, 100 * b);
  }
  const Interval gain = interval_95(differences);
  found.holds = gain.low() > 0;
  found.measured = "Eight layers of 48 neurons on drawn digits, " + std::to_string(seeds) +
                   " paired seeds: ReLU " + text_of(100 * relu, 4) + " %, swish " +
                   text_of(100 * swish, 4) + " % right; difference " + text_of(100 * gain.mean) +
                   " points, 95 % interval " + text_of(100 * gain.low()) + " to " +
                   text_of(100 * gain.high()) + ".";
  found.figures = {{"relu", relu},
                   {"swish", swish},
                   {"difference", gain.mean},
                   {"interval_low", gain.low()},
                   {"interval_high", gain.high()}};
  found.picture =
      Plot("Swish against ReLU, one dot for each seed", "ReLU, % right", "swish, % right")
          .dots("", pairs)
          .svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"linear_collapse", "S29", "Without non-linearity, depth is nothing",
     "Without activations a net of any depth is one linear map, and training it is linear "
     "regression.",
     "Six layers trained on noisy linear data, against the product of their matrices in float64 "
     "and against least squares.",
     "puts tanh between the layers", linear_collapse},
    {"universal_approximation", "S30", "One hidden layer comes as near as one likes",
     "A net with one hidden layer approximates any continuous function, the better the wider it "
     "is.",
     "Largest error over [-1, 1] on five functions for 1 to 16 hidden neurons (tanh, L-BFGS), best "
     "of several starts. Cybenko (1989).",
     "leaves the activation out", universal_approximation},
    {"swish_against_relu", "S31", "Does swish beat ReLU?",
     "Swish often outperforms ReLU in deep networks.",
     "A net of nine layers on drawn digits with both, the same seeds, samples and order; Student's "
     "95 % interval of the paired differences. It "
     "holds if the interval lies above 0.",
     "gives both sides ReLU", swish_against_relu},
};

}  // namespace

std::span<const Experiment> expression_experiments() { return kExperiments; }

}  // namespace lab
