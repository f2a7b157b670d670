// S50..S60: how a net learns, step by step.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "plot.hpp"
#include "random.hpp"
#include "soma/dataset.hpp"
#include "soma/model.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
#include "tasks.hpp"
#include "watch.hpp"

namespace lab {
namespace {

soma::Model small_net(std::int64_t inputs, const std::string& activation = "tanh",
                      std::int64_t hidden = 8) {
  soma::Model net({inputs}, "small");
  net.add(soma::Dense{.units = hidden, .activation = activation}, "hidden")
      .add(soma::Dense{.units = 1}, "out");
  net.set_loss(soma::Loss::binary_cross_entropy_with_logits);
  return net;
}

Finding forward_and_loss(const Setting& setting) {
  const Task task = curved_classes(setting.seed, 64, 4);
  soma::Model net = small_net(4);
  net.initialize(setting.seed);
  // By hand, in float64.
  const auto numbers = [&](const char* name) { return net.parameter(name).value.as<float>(); };
  const auto w1 = numbers("hidden.weight"), b1 = numbers("hidden.bias"), w2 = numbers("out.weight"),
             b2 = numbers("out.bias");
  double loss = 0, worst = 0;
  std::vector<double> logits;
  for (std::size_t i = 0; i < 64; ++i) {
    double z = b2[0];
    for (std::size_t h = 0; h < 8; ++h) {
      double sum = b1[h];
      for (std::size_t k = 0; k < 4; ++k) sum += double{w1[h * 4 + k]} * task.x[i * 4 + k];
      z += w2[h] * std::tanh(sum);
    }
    if (setting.sabotage) z -= b2[0] - 0.01;
    logits.push_back(z);
    loss += (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))) - task.targets[i] * z) / 64;
  }
  const soma::Predictor predict(net, setting.backend,
                                {.max_batch = 64, .probabilities = false, .concurrency = 1});
  std::vector<float> y(64);
  predict.run(std::span<const float>(task.x), y);
  for (std::size_t i = 0; i < 64; ++i) worst = std::max(worst, std::abs(logits[i] - y[i]));
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Sgd{.learning_rate = 0}, .threads = 1});
  const double reported = trainer.step(task.x, task.targets);
  // The loss grows with the error: the same answers, moved away from the targets further and
  // further.
  Points growth;
  bool grows = true;
  for (double error = 0; error <= 4; error += 0.25) {
    double sum = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      const double z = (task.targets[i] > 0.5 ? 1 : -1) * (3 - 1.5 * error);
      sum += (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))) - task.targets[i] * z) / 64;
    }
    grows &= growth.empty() || sum > growth.back().second;
    growth.emplace_back(error, sum);
  }
  Finding found;
  found.holds = worst < 1e-5 && std::abs(reported - loss) < 1e-5 && grows;
  found.measured = "A net 4-8-1 on 64 samples, computed by hand layer by layer: outputs within " +
                   text_of(worst) + ", loss " + text_of(reported, 6) + " against " +
                   text_of(loss, 6) + "; the loss grows at every step away from the targets.";
  found.figures = {{"largest_error_of_outputs", worst}, {"loss", reported}, {"loss_by_hand", loss}};
  found.seeds = {setting.seed};
  found.picture = Plot("Further from the target, larger loss",
                       "distance of the logit, in units of 1.5", "cross-entropy")
                      .line("", growth)
                      .svg();
  return found;
}

Finding chain_rule(const Setting& setting) {
  struct Net {
    const char* name;
    soma::Model model;
    std::int64_t numbers;
  };
  std::vector<Net> nets;
  const auto add = [&](const char* name, soma::Model model, std::int64_t numbers) {
    model.set_loss(soma::Loss::mean_squared_error);
    nets.push_back({name, std::move(model), numbers});
  };
  soma::Model dense({6});
  dense.add(soma::Dense{.units = 5, .activation = "gelu"}).add(soma::Dense{.units = 3});
  add("dense", std::move(dense), 6);
  soma::Model conv({6, 6, 2});
  conv.add(soma::Conv2d{.filters = 3, .activation = "tanh"})
      .add(soma::AvgPool2d{})
      .add(soma::Flatten{})
      .add(soma::Dense{.units = 3});
  add("convolution", std::move(conv), 72);
  soma::Model recurrent({5, 4});
  recurrent.add(soma::Lstm{.units = 6, .return_sequences = false}).add(soma::Dense{.units = 3});
  add("lstm", std::move(recurrent), 20);
  soma::Model attention({5, 8});
  attention.add(soma::TransformerEncoderBlock{.heads = 2})
      .add(soma::Flatten{})
      .add(soma::Dense{.units = 3});
  add("transformer", std::move(attention), 40);
  Finding found;
  double worst = 0;
  for (Net& net : nets) {
    constexpr std::int64_t kBatch = 4;
    Random random(setting.seed, std::string("lab.chain.") + net.name);
    const auto x = random.normals(kBatch * net.numbers), t = random.normals(kBatch * 3);
    net.model.initialize(setting.seed);
    soma::Trainer trainer(net.model, setting.backend,
                          {.optimizer = soma::Sgd{.learning_rate = 0}, .threads = 1});
    Watch watch = gradients();
    watched_step(trainer, watch, x, t);
    // Along a random direction d: (L(w + h d) - L(w - h d)) / 2h = <gradient, d>.
    double largest = 0;
    for (int round = 0; round < 3; ++round) {
      double slope = 0, length = 0;
      std::vector<std::vector<float>> directions, start;
      for (const soma::Parameter& p : net.model.parameters()) {
        directions.push_back(random.normals(p.value.elements()));
        const auto values = p.value.as<float>();
        start.emplace_back(values.begin(), values.end());
        const auto& g = watch.of("gradient of " + p.name);
        for (std::size_t k = 0; k < g.size(); ++k) {
          slope += double{g[k]} * directions.back()[k] * (setting.sabotage && k == 0 ? -1 : 1);
          length += double{g[k]} * g[k];
        }
      }
      const auto loss_at = [&](double h) {
        std::size_t at = 0;
        for (soma::Parameter& p : net.model.parameters()) {
          const auto values = p.value.as<float>();
          for (std::size_t k = 0; k < values.size(); ++k)
            values[k] = static_cast<float>(start[at][k] + h * directions[at][k]);
          ++p.version;
          ++at;
        }
        return trainer.step(x, t);
      };
      const double h = 4e-3;
      const double by_difference =
          (8 * (loss_at(h) - loss_at(-h)) - (loss_at(2 * h) - loss_at(-2 * h))) / (12 * h);
      loss_at(0);
      largest = std::max(largest, std::abs(slope - by_difference) / std::sqrt(length));
    }
    found.figures.push_back({net.name, largest});
    worst = std::max(worst, largest);
  }
  found.holds = worst < 2e-3;
  found.measured =
      "Derivatives along random directions by backpropagation and by differences of the loss "
      "(float32) agree within " +
      text_of(worst) +
      " of the gradient's length in a dense, a convolutional, a recurrent and a transformer net.";
  found.seeds = {setting.seed};
  return found;
}

Finding update_rule(const Setting& setting) {
  const Task task = curved_classes(setting.seed, 32, 4);
  soma::Model net = small_net(4);
  net.initialize(setting.seed);
  constexpr float kRate = 0.3f;
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Sgd{.learning_rate = kRate}, .threads = 1});
  std::int64_t weights = 0, other = 0;
  Points losses;
  for (int step = 0; step < 50; ++step) {
    std::vector<std::vector<float>> before;
    for (const soma::Parameter& p : net.parameters())
      before.emplace_back(p.value.as<float>().begin(), p.value.as<float>().end());
    Watch watch = gradients();
    losses.emplace_back(step, watched_step(trainer, watch, task.x, task.targets));
    std::size_t at = 0;
    for (const soma::Parameter& p : net.parameters()) {
      const auto& g = watch.of("gradient of " + p.name);
      for (std::size_t k = 0; k < g.size(); ++k, ++weights) {
        const float expected = std::fma(setting.sabotage ? kRate : -kRate, g[k], before[at][k]);
        other += std::bit_cast<std::uint32_t>(expected) !=
                 std::bit_cast<std::uint32_t>(p.value.as<float>()[k]);
      }
      ++at;
    }
  }
  Finding found;
  found.holds = other == 0 && weights > 0 && losses.back().second < losses.front().second;
  found.measured = "In 50 updates of plain gradient descent " +
                   text_of(static_cast<double>(weights - other)) + " of " +
                   text_of(static_cast<double>(weights)) +
                   " new weights have the bits of w - rate * gradient; the loss fell from " +
                   text_of(losses.front().second) + " to " + text_of(losses.back().second) + ".";
  found.figures = {{"weights", static_cast<double>(weights)},
                   {"with_other_bits", static_cast<double>(other)}};
  found.seeds = {setting.seed};
  found.picture = Plot("Loss under gradient descent", "update", "loss").line("", losses).svg();
  return found;
}

Finding mini_batches(const Setting& setting) {
  constexpr std::int64_t kCount = 512;
  const Task task = curved_classes(setting.seed, kCount, 4);
  soma::Model net = small_net(4);
  net.initialize(setting.seed);
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Sgd{.learning_rate = 0}, .threads = 1});
  const auto gradient = [&](std::int64_t first, std::int64_t count) {
    Watch watch = gradients();
    const std::span<const float> x(&task.x[static_cast<std::size_t>(first * 4)],
                                   static_cast<std::size_t>(count * 4));
    const std::span<const float> t(&task.targets[static_cast<std::size_t>(first)],
                                   static_cast<std::size_t>(count));
    watched_step(trainer, watch, x, t);
    return watch.of("gradient of hidden.weight");
  };
  const auto full = gradient(0, kCount);
  Points noise;
  double worst_bias = 0;
  for (std::int64_t batch = 4; batch <= 256; batch *= 4) {
    std::vector<double> mean(full.size());
    double squares = 0;
    const std::int64_t batches = setting.sabotage ? kCount / batch / 2 : kCount / batch;
    for (std::int64_t b = 0; b < batches; ++b) {
      const auto g = gradient(b * batch, batch);
      for (std::size_t k = 0; k < g.size(); ++k) {
        mean[k] += g[k] / static_cast<double>(batches);
        squares += std::pow(double{g[k]} - full[k], 2) / static_cast<double>(batches);
      }
    }
    double off = 0;
    for (std::size_t k = 0; k < mean.size(); ++k) off += std::pow(mean[k] - full[k], 2);
    worst_bias = std::max(worst_bias, std::sqrt(off) / norm(full));
    noise.emplace_back(static_cast<double>(batch), std::sqrt(squares) / norm(full));
  }
  // Noise like 1 / sqrt(batch): from 4 to 64 it should fall to a quarter.
  const double fall = noise[0].second / noise[2].second;
  Finding found;
  found.holds = worst_bias < 1e-5 && fall > 3 && fall < 6;
  found.measured = "Gradients of mini-batches average to that of all samples within " +
                   text_of(worst_bias) + " of its length; their spread fell by a factor of " +
                   text_of(fall) +
                   " from 4 to 64 samples, where 1/sqrt(batch) says 4 (5 without replacement).";
  found.figures = {{"bias", worst_bias}, {"fall_4_to_64", fall}};
  found.seeds = {setting.seed};
  found.picture = Plot("A mini-batch guesses the gradient", "samples in the batch",
                       "spread / length of the gradient")
                      .log_x()
                      .log_y()
                      .line("", noise)
                      .dots("", noise)
                      .svg();
  return found;
}

/// Linear regression with curvatures from `low` to 1: a long valley.
struct Valley {
  std::vector<float> x, t;
};
Valley valley(double low) {
  constexpr std::int64_t kInputs = 8;
  Valley v;
  // Orthogonal inputs: the loss is a sum of one parabola for each weight, with curvature c.
  for (std::int64_t k = 0; k < kInputs; ++k) {
    const double c = std::pow(low, static_cast<double>(k) / (kInputs - 1));
    for (std::int64_t j = 0; j < kInputs; ++j)
      v.x.push_back(j == k ? static_cast<float>(std::sqrt(c * kInputs / 2)) : 0.0f);
    v.t.push_back(v.x[static_cast<std::size_t>(k * kInputs + k)]);
  }
  return v;
}

/// Updates until the loss is below 1e-6 of that at the start; `most` if it never is.
int updates_needed(const Setting& setting, const Valley& v, const soma::Optimizer& optimizer,
                   int most, Points* path = nullptr) {
  soma::Model net({8}, "valley");
  net.add(soma::Dense{.units = 1, .bias = false, .init = soma::Init::zeros})
      .set_loss(soma::Loss::mean_squared_error);
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = optimizer,
                         .seed = setting.seed,
                         .threads = 1,
                         .nan_check = soma::NanCheck::none});  // it may diverge
  double first = 0;
  for (int step = 0; step < most; ++step) {
    const double loss = trainer.step(v.x, v.t);
    if (step == 0) first = loss;
    if (path != nullptr) path->emplace_back(step, loss);
    if (!std::isfinite(loss) || loss > 1e6 * first) return most;
    if (loss < 1e-6 * first) return step;
  }
  return most;
}

Finding learning_rate(const Setting& setting) {
  // The largest curvature is 1 (times 2/8 * 8/2): descent converges below the rate 2 and not above.
  const Valley v = valley(0.2);
  Points needed;
  Plot plot("Loss by learning rate", "update", "loss");
  plot.log_y();
  double last_good = 0, first_bad = 1e9;
  for (const double rate : {0.01, 0.1, 0.5, 1.0, 1.5, 1.9, 2.1, 2.5}) {
    Points path;
    const int updates = updates_needed(
        setting, v, soma::Sgd{.learning_rate = setting.sabotage ? std::min(rate, 1.0) : rate}, 3000,
        &path);
    needed.emplace_back(rate, updates);
    const bool diverged = path.back().second > path.front().second;
    if (!diverged) last_good = std::max(last_good, rate);
    if (diverged) first_bad = std::min(first_bad, rate);
    if (rate == 0.01 || rate == 0.5 || rate == 1.0 || rate == 1.9 || rate == 2.1) {
      path.resize(std::min<std::size_t>(path.size(), 120));
      plot.line("rate " + text_of(rate), path);
    }
  }
  Finding found;
  const double slow = needed[0].second, good = needed[3].second;
  found.holds = last_good < 2 && first_bad > 2 && first_bad < 3 && slow > 10 * good;
  found.measured = "Rate 0.01 took " + text_of(slow) + " updates, rate 1 took " + text_of(good) +
                   "; the largest rate that converged was " + text_of(last_good) +
                   ", the smallest that diverged " + text_of(first_bad) +
                   ": theory puts the limit at 2 / curvature = 2.";
  found.figures = {{"updates_at_0.01", slow},
                   {"updates_at_1", good},
                   {"last_converging", last_good},
                   {"first_diverging", first_bad}};
  found.picture = plot.range_y(1e-7, 10).svg();
  return found;
}

Finding momentum(const Setting& setting) {
  // Each with the rate that theory calls best for this valley (Polyak 1964): curvatures 0.01 to 1.
  const double low = 0.01, root = std::sqrt(low);
  const Valley v = valley(low);
  Points plain_path, momentum_path;
  const int plain =
      updates_needed(setting, v, soma::Sgd{.learning_rate = 2 / (1 + low)}, 5000, &plain_path);
  const double beta = setting.sabotage ? 0 : std::pow((1 - root) / (1 + root), 2),
               rate = setting.sabotage ? 1.0 : 4 / std::pow(1 + root, 2);
  const int with = updates_needed(setting, v, soma::Sgd{.learning_rate = rate, .momentum = beta},
                                  5000, &momentum_path);
  Finding found;
  found.holds = with * 3 < plain;
  found.measured =
      "In a valley with curvatures from 0.01 to 1 gradient descent at its best rate needed " +
      text_of(plain) + " updates, with momentum " + text_of(beta) + " at its best rate " +
      text_of(with) + ": " + text_of(static_cast<double>(plain) / with) + " times fewer.";
  found.figures = {{"updates_plain", static_cast<double>(plain)},
                   {"updates_momentum", static_cast<double>(with)}};
  found.picture = Plot("Plain and with momentum", "update", "loss")
                      .log_y()
                      .line("plain", plain_path)
                      .line("momentum", momentum_path)
                      .svg();
  return found;
}

Finding optimizers(const Setting& setting) {
  // Inputs of very different sizes: gradients of very different sizes.
  Task task = curved_classes(setting.seed, 256, 4);
  for (std::size_t i = 0; i < task.x.size(); ++i)
    task.x[i] *= std::array{0.01f, 0.1f, 1.0f, 10.0f}[i % 4];
  struct Contestant {
    const char* name;
    soma::Optimizer optimizer;
    std::vector<double> rates;
  };
  const std::vector<Contestant> contestants{
      {"sgd", soma::Sgd{}, {0.003, 0.03, 0.3}},
      {"nesterov", soma::Sgd{.momentum = 0.9, .nesterov = true}, {0.001, 0.01, 0.1}},
      {"adagrad", soma::Adagrad{}, {0.03, 0.3}},
      {"rmsprop", soma::Rmsprop{}, {0.003, 0.03}},
      {"adadelta", soma::Adadelta{}, {1, 10}},
      {"adam", soma::Adam{}, {0.003, 0.03, 0.1}},
      {"adamw", soma::AdamW{}, {0.003, 0.03, 0.1}},
      {"lion", soma::Lion{}, {0.001, 0.01}},
  };
  Finding found;
  found.seeds = {setting.seed};
  Plot plot("Loss on badly scaled inputs, each optimizer at its best rate", "update", "loss");
  plot.log_y();
  double plain = 0, adam = 0;
  bool all_learn = true;
  const int steps = setting.quick ? 400 : 1500;
  for (const Contestant& c : contestants) {
    double best = 1e9;
    Points best_path;
    for (const double rate : c.rates) {
      soma::Model net = small_net(4, "tanh", 16);
      soma::Optimizer optimizer = c.optimizer;
      optimizer.learning_rate =
          setting.sabotage && std::string(c.name).starts_with("adam") ? 0 : rate;
      soma::Trainer trainer(net, setting.backend,
                            {.optimizer = optimizer, .seed = setting.seed, .threads = 1});
      Points path;
      for (int step = 0; step < steps; ++step)
        path.emplace_back(step, trainer.step(task.x, task.targets));
      if (path.back().second < best) best = path.back().second, best_path = path;
    }
    all_learn &= best < 0.9 * best_path.front().second;
    plot.line(c.name, best_path);
    found.figures.push_back({std::string(c.name) + "_loss", best});
    if (std::string(c.name) == "sgd") plain = best;
    if (std::string(c.name) == "adam") adam = best;
  }
  found.holds = all_learn && adam < 0.5 * plain;
  found.measured =
      "Inputs of sizes 0.01 to 10, " + std::to_string(steps) +
      " updates, each optimizer at the best of a few rates: plain descent ended at a loss of " +
      text_of(plain) + ", Adam at " + text_of(adam) + "; all eight learned.";
  found.picture = plot.svg();
  return found;
}

Finding attribution(const Setting& setting) {
  const Task task = curved_classes(setting.seed, 512, 6);
  soma::Model net = small_net(6, "tanh", 12);
  soma::Trainer trainer(
      net, setting.backend,
      {.optimizer = soma::Adam{.learning_rate = 0.02}, .seed = setting.seed, .threads = 1});
  // Not to the end: where the gradient vanishes, so does a first-order attribution.
  for (int step = 0; step < 60; ++step) trainer.step(task.x, task.targets);
  soma::Trainer probe(net, setting.backend,
                      {.optimizer = soma::Sgd{.learning_rate = 0}, .threads = 1});
  Watch watch = gradients();
  const double whole = watched_step(probe, watch, task.x, task.targets);
  std::vector<double> said, measured;
  Points dots;
  for (soma::Parameter& p : net.parameters()) {
    const auto g = watch.of("gradient of " + p.name);
    const auto w = p.value.as<float>();
    for (std::size_t k = 0; k < w.size(); ++k) {
      // Taking out a small part of the weight, so that the first order is what counts.
      const float kept = w[k];
      w[k] = 0.9f * kept;
      ++p.version;
      measured.push_back((probe.step(task.x, task.targets) - whole) / 0.1);
      w[k] = kept;
      ++p.version;
      said.push_back(-double{g[setting.sabotage ? (k + 1) % g.size() : k]} * kept);
      dots.emplace_back(said.back(), measured.back());
    }
  }
  const auto mean = [](const std::vector<double>& v) {
    return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
  };
  const double ms = mean(said), mm = mean(measured);
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < said.size(); ++i) {
    xy += (said[i] - ms) * (measured[i] - mm);
    xx += (said[i] - ms) * (said[i] - ms);
    yy += (measured[i] - mm) * (measured[i] - mm);
  }
  const double correlation = xy / std::sqrt(xx * yy);
  Finding found;
  found.holds = correlation > 0.95;
  found.measured = "For " + text_of(static_cast<double>(said.size())) +
                   " weights, gradient times weight correlates with the change of the loss when a "
                   "tenth of the weight is taken away by " +
                   text_of(correlation, 4) + ".";
  found.figures = {{"correlation", correlation}};
  found.seeds = {setting.seed};
  found.picture = Plot("How much each weight contributes to the error", "- gradient * weight",
                       "change of the loss")
                      .dots("", dots)
                      .svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"forward_and_loss", "S50 S51", "Forward, and how wrong it was",
     "Data flow forward through weights and activations, and a loss says how far the answer is "
     "from the target.",
     "A net 4-8-1 computed by hand in float64: outputs and cross-entropy; the loss as answers move "
     "away from their targets.",
     "changes the bias of the output by 0.01 in the computation by hand", forward_and_loss},
    {"chain_rule", "S52", "Backpropagation is the chain rule",
     "Backpropagation computes the gradient of the loss by every weight.",
     "Whole nets of four kinds: the gradient's part along random directions against fourth-order "
     "differences of the loss. (Each op is held to "
     "float64 differences by the conformance suite.)",
     "turns the sign of one weight's gradient in each tensor", chain_rule},
    {"update_rule", "S53", "w - rate * gradient",
     "Gradient descent moves each weight against its gradient: w <- w - rate * gradient.",
     "50 updates watched tensor by tensor: the new weights' bits against one fused multiply-add.",
     "goes up the gradient", update_rule},
    {"mini_batches", "S54", "A few samples at a time",
     "The gradient of a mini-batch is a noisy, unbiased estimate of that of all samples; the noise "
     "falls with the square root of its size.",
     "All mini-batches of 4 to 256 samples of 512: their mean, and their spread around the whole "
     "gradient.",
     "leaves out half of the batches", mini_batches},
    {"learning_rate", "S55", "Too small, good, too large",
     "The learning rate decides: too small is slow, too large diverges.",
     "Linear regression with known curvature 1: updates needed by rate; theory's limit is 2 / "
     "curvature.",
     "never takes a rate above 1", learning_rate},
    {"momentum", "S56", "Momentum", "Momentum accelerates gradient descent.",
     "A valley with curvatures 0.01 to 1, both at the rates that theory calls best. Polyak (1964).",
     "sets momentum to 0", momentum},
    {"optimizers", "S57 S58 S59", "Adaptive against plain",
     "Adam, RMSprop and their kin adapt the rate of each weight and learn faster than plain "
     "descent where gradients differ in size.",
     "Eight optimizers, each at the best of a few rates, on inputs of sizes 0.01 to 10.",
     "sets Adam's learning rate to 0", optimizers},
    {"attribution", "S60", "Which weight was it?",
     "The gradient tells how much each weight contributed to the error.",
     "- gradient * weight against the change of the loss when a tenth of the weight is taken away, "
     "over all weights of a net.",
     "reads the gradient of the neighbouring weight", attribution},
};

}  // namespace

std::span<const Experiment> learning_experiments() { return kExperiments; }

}  // namespace lab
