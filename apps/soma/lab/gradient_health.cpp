// S61..S73: where learning starts from, and what becomes of gradients and neurons on the way.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "plot.hpp"
#include "random.hpp"
#include "soma/dataset.hpp"
#include "soma/model.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
#include "statistics.hpp"
#include "tasks.hpp"
#include "watch.hpp"

namespace lab {
namespace {

std::string layer_name(int number) { return "fc" + std::to_string(number); }

/// Dense layers of one width, then one number.
soma::Model stack(std::int64_t inputs, int depth, std::int64_t width, const std::string& activation,
                  const soma::Init& init) {
  soma::Model net({inputs}, "stack");
  for (int i = 0; i < depth; ++i)
    net.add(soma::Dense{.units = width, .activation = activation, .init = init}, layer_name(i));
  net.add(soma::Dense{.units = 1}, "out").set_loss(soma::Loss::binary_cross_entropy_with_logits);
  return net;
}

double accuracy(const Setting& setting, const soma::Model& net, const Task& task) {
  const soma::Predictor predict(net, setting.backend, {.max_batch = task.count, .concurrency = 1});
  std::vector<float> y(static_cast<std::size_t>(task.count));
  predict.run(std::span<const float>(task.x), y);
  double right = 0;
  for (std::size_t i = 0; i < y.size(); ++i) right += (y[i] > 0.5f) == (task.targets[i] > 0.5f);
  return right / static_cast<double>(task.count);
}

Finding symmetry(const Setting& setting) {
  constexpr std::size_t kUnits = 8, kInputs = 4;
  const Task task = curved_classes(setting.seed, 256, kInputs);
  struct Start {
    const char* name;
    soma::Init init;
    std::size_t different = 0;
    double accuracy = 0, moved = 0;
  };
  std::array starts{Start{"zero", soma::Init::zeros}, Start{"constant", soma::Init::constant(0.5)},
                    Start{"random", soma::Init::xavier_uniform}};
  if (setting.sabotage) starts[1].init = soma::Init::normal(0.5);
  for (Start& start : starts) {
    soma::Model net({kInputs});
    net.add(soma::Dense{.units = kUnits, .activation = "tanh", .init = start.init}, "hidden");
    net.add(soma::Dense{.units = 1, .init = start.init}, "out")
        .set_loss(soma::Loss::binary_cross_entropy_with_logits);
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Adam{.learning_rate = 0.03}, .seed = setting.seed, .threads = 1});
    for (int step = 0; step < 400; ++step) trainer.step(task.x, task.targets);
    // Neurons with the bits of an earlier one are one neuron.
    const auto w = net.parameter("hidden.weight").value.as<float>();
    for (std::size_t i = 0; i < kUnits; ++i) {
      bool fresh = true;
      for (std::size_t j = 0; j < i; ++j)
        fresh &= std::memcmp(&w[i * kInputs], &w[j * kInputs], kInputs * sizeof(float)) != 0;
      start.different += fresh;
    }
    for (const float v : w) start.moved = std::max(start.moved, std::abs(double{v}));
    start.accuracy = accuracy(setting, net, task);
  }
  Finding found;
  found.holds = starts[0].different == 1 && starts[0].moved == 0 && starts[1].different == 1 &&
                starts[2].different == kUnits && starts[2].accuracy > starts[1].accuracy + 0.05;
  found.measured =
      "Different ones among eight hidden neurons after 400 updates: " +
      text_of(static_cast<double>(starts[0].different)) +
      " where all start at zero (and none moved), " +
      text_of(static_cast<double>(starts[1].different)) + " where they start at one constant, " +
      text_of(static_cast<double>(starts[2].different)) + " from random weights; right answers " +
      text_of(100 * starts[0].accuracy) + ", " + text_of(100 * starts[1].accuracy) + " and " +
      text_of(100 * starts[2].accuracy) + " %.";
  for (const Start& s : starts) {
    found.figures.push_back(
        {std::string(s.name) + "_different_neurons", static_cast<double>(s.different)});
    found.figures.push_back({std::string(s.name) + "_accuracy", s.accuracy});
  }
  found.seeds = {setting.seed};
  return found;
}

/// Mean square of each layer's output, over the depth.
Points signal(const Setting& setting, int depth, const std::string& activation,
              const soma::Init& init) {
  constexpr std::int64_t kWidth = 128, kBatch = 32;
  soma::Model net({kWidth});
  for (int i = 0; i < depth; ++i) {
    net.add(soma::Dense{.units = kWidth, .init = init}, layer_name(i));
    net.add(soma::Activation{.function = activation}, "f" + std::to_string(i));
  }
  net.initialize(setting.seed);
  Random random(setting.seed, "lab.signal");
  const auto x = random.normals(kWidth * kBatch);
  const soma::Predictor predict(net, setting.backend, {.max_batch = kBatch, .concurrency = 1});
  Watch watch([](std::string_view name) { return name.ends_with(".output"); });
  std::vector<float> y(kWidth * kBatch);
  const std::array<soma::TensorView, 1> inputs{x};
  const std::array<std::span<float>, 1> outputs{y};
  predict.observed_run(inputs, outputs, watch);
  Points line;
  for (int i = 0; i < depth; ++i) {
    const double square = mean_square(watch.of("f" + std::to_string(i) + ".output"));
    if (square > 0) line.emplace_back(i + 1, square);
  }
  return line;
}

Finding initialisations(const Setting& setting) {
  constexpr int kDepth = 50;
  const auto change = [](const Points& line) {
    return line.size() < kDepth ? 0.0 : line.back().second / line.front().second;
  };
  const Points he_relu =
      signal(setting, kDepth, "relu",
             setting.sabotage ? soma::Init::xavier_normal : soma::Init::he_normal);
  const Points xavier_relu = signal(setting, kDepth, "relu", soma::Init::xavier_normal);
  const Points xavier_tanh = signal(setting, kDepth, "tanh", soma::Init::xavier_normal);
  const Points small = signal(setting, kDepth, "relu", soma::Init::normal(0.05)),
               large = signal(setting, kDepth, "relu", soma::Init::normal(0.2));
  Finding found;
  found.holds = change(he_relu) > 0.05 && change(he_relu) < 20 && change(xavier_relu) < 1e-10 &&
                change(small) < 1e-10 && change(large) > 1e10 && change(xavier_tanh) > 1e-3;
  found.measured =
      "Over 50 layers of 128 neurons the mean square of the outputs changed by a factor of " +
      text_of(change(he_relu)) + " with ReLU and He, " + text_of(change(xavier_relu)) +
      " with ReLU and Xavier (half of it lost in each layer: 2^-49 = 1.8e-15), " +
      text_of(change(xavier_tanh)) + " with tanh and Xavier, " + text_of(change(small)) + " and " +
      text_of(change(large)) + " with ReLU and fixed deviations 0.05 and 0.2.";
  found.figures = {{"relu_he", change(he_relu)},
                   {"relu_xavier", change(xavier_relu)},
                   {"tanh_xavier", change(xavier_tanh)},
                   {"relu_0.05", change(small)},
                   {"relu_0.2", change(large)}};
  found.seeds = {setting.seed};
  found.picture = Plot("The signal through 50 layers", "layer", "mean square of the outputs")
                      .log_y()
                      .line("ReLU, He", he_relu)
                      .line("ReLU, Xavier", xavier_relu)
                      .line("tanh, Xavier", xavier_tanh)
                      .line("ReLU, 0.05", small)
                      .line("ReLU, 0.2", large)
                      .svg();
  return found;
}

Finding zero_biases(const Setting& setting) {
  const int seeds = setting.quick ? 4 : 12;
  double zero = 0, drawn = 0, low = 0;
  Finding found;
  for (int s = 0; s < seeds; ++s) {
    const auto seed = setting.seed + static_cast<std::uint64_t>(s);
    found.seeds.push_back(seed);
    const Task task = curved_classes(seed, 256, 4);
    const auto run = [&](double deviation, double shift) {
      soma::Model net = stack(4, 2, 16, "relu", soma::Init::he_normal);
      net.initialize(seed);
      Random random(seed, "lab.biases");
      for (int i = 0; i < 2; ++i) {
        for (float& b : net.parameter(layer_name(i) + ".bias").value.as<float>())
          b = static_cast<float>(shift + deviation * random.normal());
      }
      soma::Trainer trainer(
          net, setting.backend,
          {.optimizer = soma::Adam{.learning_rate = 0.01}, .seed = seed, .threads = 1});
      for (int step = 0; step < 300; ++step) trainer.step(task.x, task.targets);
      return accuracy(setting, net, task) / seeds;
    };
    zero += run(0, setting.sabotage ? -20 : 0);
    drawn += run(0.5, 0);
    low += run(0, -20);
  }
  found.holds = zero > drawn - 0.02 && zero > low + 0.1;
  found.measured = "Over " + std::to_string(seeds) + " seeds nets that started with biases 0 had " +
                   text_of(100 * zero) + " % right, with random biases (deviation 0.5) " +
                   text_of(100 * drawn) + " %, with all biases at -20 " + text_of(100 * low) +
                   " %.";
  found.figures = {{"zero", zero}, {"random", drawn}, {"minus_20", low}};
  return found;
}

/// Length of the gradient of each layer's weights at the start, first layer first.
Points gradient_by_layer(const Setting& setting, int depth, const std::string& activation,
                         const soma::Init& init, std::uint64_t seed) {
  const Task task = curved_classes(seed, 64, 16);
  soma::Model net = stack(16, depth, 32, activation, init);
  net.initialize(seed);
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Sgd{.learning_rate = 0}, .seed = seed, .threads = 1});
  Watch watch = gradients();
  watched_step(trainer, watch, task.x, task.targets);
  Points line;
  for (int i = 0; i < depth; ++i)
    line.emplace_back(i + 1, norm(watch.of("gradient of " + layer_name(i) + ".weight")));
  return line;
}

Finding vanishing(const Setting& setting) {
  constexpr int kDepth = 20;
  const auto ratio = [](const Points& line) { return line.front().second / line.back().second; };
  const auto sigmoid = gradient_by_layer(
      setting, kDepth, setting.sabotage ? "relu" : "sigmoid",
      setting.sabotage ? soma::Init::he_normal : soma::Init::xavier_normal, setting.seed);
  const auto tanh =
      gradient_by_layer(setting, kDepth, "tanh", soma::Init::xavier_normal, setting.seed);
  const auto relu = gradient_by_layer(setting, kDepth, "relu", soma::Init::he_normal, setting.seed);
  Finding found;
  found.holds = ratio(sigmoid) < 1e-6 && ratio(relu) > 1e-2 && ratio(tanh) > ratio(sigmoid);
  found.measured = "In 20 layers the gradient of the first layer's weights is " +
                   text_of(ratio(sigmoid)) + " of the last one's with sigmoid, " +
                   text_of(ratio(tanh)) + " with tanh (Xavier), " + text_of(ratio(relu)) +
                   " with ReLU (He).";
  found.figures = {{"sigmoid", ratio(sigmoid)}, {"tanh", ratio(tanh)}, {"relu", ratio(relu)}};
  found.seeds = {setting.seed};
  found.picture =
      Plot("Gradients on their way back", "layer (1: next to the input)", "length of the gradient")
          .log_y()
          .line("sigmoid", sigmoid)
          .line("tanh", tanh)
          .line("ReLU", relu)
          .svg();
  return found;
}

Finding exploding(const Setting& setting) {
  constexpr int kDepth = 12;
  const soma::Init wide = soma::Init::normal(setting.sabotage ? 0.25 : 0.75);  // He would be 0.25
  const Points line = gradient_by_layer(setting, kDepth, "relu", wide, setting.seed);
  const Points healthy =
      gradient_by_layer(setting, kDepth, "relu", soma::Init::he_normal, setting.seed);
  const double growth = line.front().second / healthy.front().second;
  // Trained from there: with and without a limit on the length of the gradient.
  const Task task = curved_classes(setting.seed, 64, 16);
  const auto train = [&](double clip) {
    soma::Model net = stack(16, kDepth, 32, "relu", wide);
    soma::TrainerOptions options{
        .optimizer = soma::Sgd{.learning_rate = 0.05},
        .seed = setting.seed,
        .threads = 1,
        .nan_check = soma::NanCheck::none};  // what it comes to is what is measured
    options.regularization.clip_norm = clip;
    soma::Trainer trainer(net, setting.backend, options);
    double largest = 0;
    bool finite = true;
    for (int step = 0; step < 60; ++step) {
      std::vector<float> before;
      for (const auto& p : net.parameters())
        before.insert(before.end(), p.value.as<float>().begin(), p.value.as<float>().end());
      finite &= std::isfinite(trainer.step(task.x, task.targets));
      double moved = 0;
      std::size_t at = 0;
      for (const auto& p : net.parameters()) {
        for (const float v : p.value.as<float>()) {
          const double d = double{v} - before[at++];
          moved += d * d;
        }
      }
      finite &= std::isfinite(moved);
      if (std::isfinite(moved)) largest = std::max(largest, std::sqrt(moved));
    }
    return std::pair(largest, finite);
  };
  const auto [free_step, free_finite] = train(0);
  const auto [held_step, held_finite] = train(1);
  Finding found;
  found.holds = growth > 1e4 && held_finite && held_step < 0.0501 &&
                (!free_finite || free_step > 100 * held_step);
  found.measured = "Weights three times He's size made the first layer's gradient " +
                   text_of(growth) + " times longer over " + std::to_string(kDepth) +
                   " layers. Trained from there, the largest update had length " +
                   text_of(free_step) +
                   (free_finite ? "" : " before the loss was no number any more") +
                   ", with gradients clipped to length 1 at rate 0.05 it had " +
                   text_of(held_step) + (held_finite ? " and the loss stayed finite." : ".");
  found.figures = {{"growth", growth},
                   {"largest_update", free_step},
                   {"finite_without_clipping", free_finite ? 1.0 : 0.0},
                   {"largest_update_clipped", held_step},
                   {"finite_with_clipping", held_finite ? 1.0 : 0.0}};
  found.seeds = {setting.seed};
  found.picture =
      Plot("Gradients that explode", "layer (1: next to the input)", "length of the gradient")
          .log_y()
          .line("three times He", line)
          .line("He", healthy)
          .svg();
  return found;
}

Finding gradient_flow(const Setting& setting) {
  // Magnitude and direction over training: consecutive gradients of all samples agree at a small
  // rate and turn back and forth across the valley at a large one.
  const Task task = curved_classes(setting.seed, 256, 8);
  const auto cosines = [&](double rate) {
    soma::Model net = stack(8, 2, 16, "tanh", soma::Init::xavier_normal);
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Sgd{.learning_rate = rate}, .seed = setting.seed, .threads = 1});
    std::vector<float> last;
    Points line;
    for (int step = 0; step < 60; ++step) {
      Watch watch = gradients();
      watched_step(trainer, watch, task.x, task.targets);
      std::vector<float> now;
      for (const auto& [name, g] : watch.all()) {
        if (name.ends_with(".weight")) now.insert(now.end(), g.begin(), g.end());
      }
      if (!last.empty()) {
        double dot = 0;
        for (std::size_t k = 0; k < now.size(); ++k) dot += double{now[k]} * last[k];
        line.emplace_back(step, dot / (norm(now) * norm(last)));
      }
      last = now;
    }
    return line;
  };
  const Points calm = cosines(0.05), wild = cosines(setting.sabotage ? 0.05 : 8);
  const auto mean = [](const Points& line) {
    double sum = 0;
    for (const auto& p : line) sum += p.second / static_cast<double>(line.size());
    return sum;
  };
  Finding found;
  found.holds = mean(calm) > 0.9 && mean(wild) < 0.5;
  found.measured = "Mean cosine of consecutive gradients: " + text_of(mean(calm)) +
                   " at rate 0.05, " + text_of(mean(wild)) + " at rate 8.";
  found.figures = {{"cosine_small_rate", mean(calm)}, {"cosine_large_rate", mean(wild)}};
  found.seeds = {setting.seed};
  found.picture = Plot("Do gradients keep their direction?", "update", "cosine with the one before")
                      .line("rate 0.05", calm)
                      .line("rate 8", wild)
                      .svg();
  return found;
}

Finding saturation(const Setting& setting) {
  const Task task = curved_classes(setting.seed, 256, 8);
  Points share, length;
  for (double scale = 0.25; scale <= 64; scale *= 2) {
    soma::Model net({8});
    net.add(soma::Dense{.units = 16}, "sum")
        .add(soma::Activation{.function = setting.sabotage ? "leaky_relu" : "sigmoid"}, "f")
        .add(soma::Dense{.units = 1}, "out");
    net.set_loss(soma::Loss::binary_cross_entropy_with_logits);
    net.initialize(setting.seed);
    for (float& w : net.parameter("sum.weight").value.as<float>()) w *= static_cast<float>(scale);
    soma::Trainer trainer(net, setting.backend,
                          {.optimizer = soma::Sgd{.learning_rate = 0}, .threads = 1});
    Watch watch([](std::string_view name) {
      return name == "f.output" || name == "gradient of sum.weight";
    });
    watched_step(trainer, watch, task.x, task.targets);
    double saturated = 0;
    for (const float y : watch.of("f.output")) saturated += y < 0.02f || y > 0.98f;
    share.emplace_back(scale, saturated / static_cast<double>(watch.of("f.output").size()));
    length.emplace_back(scale, norm(watch.of("gradient of sum.weight")));
  }
  const double fall = length.back().second / length.front().second;
  Finding found;
  found.holds = share.front().second < 0.05 && share.back().second > 0.8 && fall < 0.2;
  found.measured =
      "With weights scaled from 1/4 to 64 the share of sigmoid outputs within 0.02 of 0 or 1 rose "
      "from " +
      text_of(100 * share.front().second) + " to " + text_of(100 * share.back().second) +
      " %, and the gradient behind them fell to " + text_of(fall) + " of its length.";
  found.figures = {{"saturated_small", share.front().second},
                   {"saturated_large", share.back().second},
                   {"gradient_ratio", fall}};
  found.seeds = {setting.seed};
  found.picture = Plot("Saturated neurons", "scale of the weights", "share of outputs near 0 or 1")
                      .log_x()
                      .line("", share)
                      .svg() +
                  Plot("The gradient behind them", "scale of the weights", "length")
                      .log_x()
                      .log_y()
                      .line("", length)
                      .svg();
  return found;
}

Finding dead_neuron(const Setting& setting) {
  const Task task = curved_classes(setting.seed, 256, 4);
  soma::Model net = stack(4, 1, 8, setting.sabotage ? "elu" : "relu", soma::Init::he_normal);
  net.initialize(setting.seed);
  constexpr std::size_t kDead = 3;
  net.parameter("fc0.bias").value.as<float>()[kDead] = -50;
  const auto weights = [&] {
    const auto w = net.parameter("fc0.weight").value.as<float>();
    return std::vector<float>(w.begin() + kDead * 4, w.begin() + kDead * 4 + 4);
  };
  const auto before = weights();
  soma::Trainer trainer(
      net, setting.backend,
      {.optimizer = soma::Sgd{.learning_rate = 0.1}, .seed = setting.seed, .threads = 1});
  double fired = 0, gradient = 0, others = 0;
  for (int step = 0; step < 200; ++step) {
    Watch watch([](std::string_view name) {
      return name == "fc0.output" || name == "gradient of fc0.weight";
    });
    watched_step(trainer, watch, task.x, task.targets);
    const auto& y = watch.of("fc0.output");
    for (std::size_t i = kDead; i < y.size(); i += 8) fired += y[i] != 0;
    const auto& g = watch.of("gradient of fc0.weight");
    for (std::size_t k = 0; k < g.size(); ++k)
      (k / 4 == kDead ? gradient : others) += std::abs(g[k]);
  }
  const bool unmoved = before == weights();
  Finding found;
  found.holds = fired == 0 && gradient == 0 && unmoved && others > 0;
  found.measured = "A ReLU neuron with bias -50 fired for " + text_of(fired) +
                   " of 51,200 samples in 200 updates; the sum of its gradients' sizes is " +
                   text_of(gradient) + " (its neighbours': " + text_of(others) +
                   "), and its weights " + (unmoved ? "kept their bits." : "moved.");
  found.figures = {{"fired", fired},
                   {"gradient", gradient},
                   {"gradient_of_the_others", others},
                   {"kept_its_bits", unmoved ? 1.0 : 0.0}};
  found.seeds = {setting.seed};
  return found;
}

/// Right answers after training a net of which a share of the hidden neurons is dead from the
/// start.
double with_dead_share(const Setting& setting, double share, std::uint64_t seed) {
  constexpr std::int64_t kUnits = 20;
  const Task task = curved_classes(seed, 400, 6);
  soma::Model net = stack(6, 2, kUnits, "relu", soma::Init::he_normal);
  net.initialize(seed);
  for (int i = 0; i < 2; ++i) {
    auto bias = net.parameter(layer_name(i) + ".bias").value.as<float>();
    for (std::size_t k = 0; k < static_cast<std::size_t>(std::lround(share * kUnits)); ++k)
      bias[k] = -1000;
  }
  soma::Trainer trainer(
      net, setting.backend,
      {.optimizer = soma::Adam{.learning_rate = 0.01}, .seed = seed, .threads = 1});
  for (int step = 0; step < 300; ++step) trainer.step(task.x, task.targets);
  return accuracy(setting, net, task);
}

Finding dead_share(const Setting& setting) {
  const int seeds = setting.quick ? 6 : 20;
  Finding found;
  for (int s = 0; s < seeds; ++s)
    found.seeds.push_back(setting.seed + static_cast<std::uint64_t>(s));
  Points mean_line;
  std::vector<double> none;
  double low_at_60 = 0, mean_20 = 0, mean_60 = 0;
  std::string intervals;
  for (const double share : {0.0, 0.2, 0.4, 0.6, 0.8}) {
    std::vector<double> lost;
    double mean = 0;
    for (std::size_t s = 0; s < found.seeds.size(); ++s) {
      const double right = with_dead_share(setting, setting.sabotage ? 0 : share, found.seeds[s]);
      if (share == 0) none.push_back(right);
      mean += right / seeds;
      lost.push_back(none[s] - right);
    }
    const Interval loss = interval_95(lost);
    mean_line.emplace_back(100 * share, 100 * mean);
    found.figures.push_back({"accuracy_at_" + std::to_string(std::lround(100 * share)), mean});
    if (share > 0) {
      intervals += (intervals.empty() ? "" : "; ") + text_of(100 * share) +
                   " % dead: " + text_of(100 * loss.mean) + " (" + text_of(100 * loss.low()) +
                   " to " + text_of(100 * loss.high()) + ")";
    }
    if (share == 0.2) mean_20 = loss.mean;
    if (share == 0.6) low_at_60 = loss.low(), mean_60 = loss.mean;
  }
  found.figures.push_back({"lost_at_20", mean_20});
  found.figures.push_back({"lost_at_60", mean_60});
  found.figures.push_back({"lost_at_60_low", low_at_60});
  found.holds = low_at_60 > 0;
  found.measured = "Points of accuracy lost against no dead neurons, with 95 % intervals over " +
                   std::to_string(seeds) + " paired seeds: " + intervals + ".";
  found.picture = Plot("Right answers by the share of dead neurons", "dead from the start, %",
                       "right answers, %")
                      .line("", mean_line)
                      .dots("", mean_line)
                      .svg();
  return found;
}

Finding dead_alarm(const Setting& setting) {
  // Counted over the data, layer by layer: an alarm above 40 %.
  constexpr std::int64_t kUnits = 20;
  const Task task = curved_classes(setting.seed, 256, 6);
  int right = 0, cases = 0;
  Points dots;
  for (int dead = 0; dead <= 20; ++dead, ++cases) {
    soma::Model net = stack(6, 1, kUnits, "relu", soma::Init::he_normal);
    net.initialize(setting.seed);
    auto bias = net.parameter("fc0.bias").value.as<float>();
    for (float& b : bias) b = 4;  // all fire for some sample
    for (int k = 0; k < dead; ++k) bias[static_cast<std::size_t>(k)] = -1000;
    const soma::Predictor predict(net, setting.backend,
                                  {.max_batch = task.count, .concurrency = 1});
    Watch watch([](std::string_view name) { return name == "fc0.output"; });
    std::vector<float> y(static_cast<std::size_t>(task.count));
    const std::array<soma::TensorView, 1> inputs{task.x};
    const std::array<std::span<float>, 1> outputs{y};
    predict.observed_run(inputs, outputs, watch);
    std::vector<bool> fired(kUnits);
    const auto& out = watch.of("fc0.output");
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i] > 0) fired[i % kUnits] = true;
    }
    const double share = static_cast<double>(std::ranges::count(fired, false)) / kUnits;
    const bool alarm = share > (setting.sabotage ? 0.6 : 0.4), expected = dead > 8;
    right += alarm == expected && share == dead / 20.0;
    dots.emplace_back(dead, alarm ? 1 : 0);
  }
  Finding found;
  found.holds = right == cases;
  found.measured =
      "With 0 to 20 of 20 neurons dead, the share was counted and the alarm (more than 40 %) given "
      "rightly in " +
      text_of(right) + " of " + text_of(cases) + " nets.";
  found.figures = {{"right", static_cast<double>(right)}, {"cases", static_cast<double>(cases)}};
  found.seeds = {setting.seed};
  found.picture = Plot("When the alarm rings", "dead neurons of 20", "alarm").dots("", dots).svg();
  return found;
}

Finding six_cures(const Setting& setting) {
  // Two illnesses: a rate so large that neurons are thrown out of reach of the data, and a start
  // from small weights under low biases. Each cure is held against the illness that it is for.
  struct Treatment {
    const char* name;
    const char* activation;
    double rate;
    bool poor_start;
  };
  constexpr double kLarge = 0.5, kSmall = 0.05;
  constexpr Treatment kTreatments[] = {
      {"ReLU, large rate", "relu", kLarge, false},
      {"leaky ReLU", "leaky_relu", kLarge, false},
      {"PReLU", "prelu", kLarge, false},
      {"ELU", "elu", kLarge, false},
      {"GELU", "gelu", kLarge, false},
      {"lower rate", "relu", kSmall, false},
      {"ReLU, poor start", "relu", kSmall, true},
      {"He", "relu", kSmall, false},
  };
  constexpr std::size_t kPoorStart = 6;
  const int seeds = setting.quick ? 3 : 10;
  Finding found;
  for (int s = 0; s < seeds; ++s)
    found.seeds.push_back(setting.seed + static_cast<std::uint64_t>(s));
  std::vector<double> silent, right;
  std::string text;
  for (const Treatment& t : kTreatments) {
    // Sabotage: nobody is treated.
    const bool poor = setting.sabotage ? &t - kTreatments >= 6 : t.poor_start;
    double dead = 0, answers = 0;
    for (const auto seed : found.seeds) {
      const Task task = curved_classes(seed, 256, 6);
      soma::Model net = stack(6, 2, 20, setting.sabotage ? "relu" : t.activation,
                              poor ? soma::Init::normal(0.02) : soma::Init::he_normal);
      net.initialize(seed);
      for (int i = 0; i < 2 && poor; ++i) {
        for (float& b : net.parameter(layer_name(i) + ".bias").value.as<float>()) b = -0.05f;
      }
      const double rate = setting.sabotage && !poor ? kLarge : t.rate;
      soma::Trainer trainer(net, setting.backend,
                            {.optimizer = soma::Sgd{.learning_rate = rate, .momentum = 0.9},
                             .seed = seed,
                             .threads = 1});
      for (int step = 0; step < 400; ++step) trainer.step(task.x, task.targets);
      Watch watch = gradients();
      watched_step(trainer, watch, task.x, task.targets);
      // A neuron that gets no gradient at all is out of the game.
      const auto& g = watch.of("gradient of fc1.weight");
      for (std::size_t unit = 0; unit < 20; ++unit) {
        double sum = 0;
        for (std::size_t k = 0; k < 20; ++k) sum += std::abs(g[unit * 20 + k]);
        dead += !(sum > 0) / (20.0 * seeds);
      }
      answers += accuracy(setting, net, task) / seeds;
    }
    silent.push_back(dead);
    right.push_back(answers);
    found.figures.push_back({std::string(t.name) + ": dead", dead});
    found.figures.push_back({std::string(t.name) + ": accuracy", answers});
    text += (text.empty() ? "" : ", ") + std::string(t.name) + " " + text_of(100 * dead) + " % (" +
            text_of(100 * answers) + " %)";
  }
  int better = 0;
  Points dead_bars, right_bars;
  for (std::size_t i = 0; i < silent.size(); ++i) {
    if (i != 0 && i != kPoorStart) better += silent[i] < silent[i < kPoorStart ? 0 : kPoorStart];
    dead_bars.emplace_back(static_cast<double>(i + 1), 100 * silent[i]);
    right_bars.emplace_back(static_cast<double>(i + 1), 100 * right[i]);
  }
  found.holds = silent[0] > 0.02 && silent[kPoorStart] > 0.02 && better == 6;
  found.measured =
      "Neurons of the second layer without any gradient after 400 updates, and right answers: " +
      text + ". " + std::to_string(better) + " of 6 cures left fewer dead.";
  const auto draw = [](const char* title, const Points& bars) {
    return Plot(title, "ReLU at a large rate and its cures; ReLU from a poor start and its cure",
                "%")
        .names_x({"ReLU", "leaky", "PReLU", "ELU", "GELU", "rate", "start", "He"})
        .bars("", bars)
        .svg();
  };
  found.picture = draw("Neurons without gradient", dead_bars) + draw("Right answers", right_bars);
  return found;
}

constexpr Experiment kExperiments[] = {
    {"symmetry", "S61", "Equal neurons stay equal",
     "Weights that all start at zero, or at one number, never break their symmetry.",
     "Eight hidden neurons trained from zero, from a constant and from random weights: how many "
     "different bit patterns are left.",
     "draws the constant weights at random", symmetry},
    {"initialisations", "S62 S63 S65", "Xavier, He and fifty layers",
     "Xavier's initialisation keeps the signal's size through tanh layers, He's through ReLU "
     "layers, at any depth; fixed deviations do not.",
     "Mean square of every layer's output in 50 layers of 128 neurons. Glorot & Bengio (2010); He "
     "et al., arXiv:1502.01852.",
     "uses Xavier where He is asked for", initialisations},
    {"zero_biases", "S64", "Biases may start at zero",
     "Biases can start at zero: the weights break the symmetry.",
     "Right answers after training from zero, random and very low biases, over several seeds.",
     "starts the biases at -20", zero_biases},
    {"vanishing_gradient", "S66", "Vanishing gradients",
     "Through many sigmoid layers gradients vanish; through ReLU layers they do not.",
     "Length of the gradient of each layer's weights at the start, 20 layers.",
     "puts ReLU and He in the place of sigmoid and Xavier", vanishing},
    {"exploding_gradient", "S67", "Exploding gradients, and clipping",
     "With large weights gradients explode over depth; clipping keeps the updates small.",
     "First layer's gradient against that under He; length of the updates with and without "
     "clipping to 1. Pascanu et al., arXiv:1211.5063.",
     "takes weights of He's size", exploding},
    {"gradient_flow", "S68", "Magnitude and direction",
     "The direction of consecutive gradients tells whether training goes ahead or back and forth.",
     "Cosine of consecutive gradients over 60 updates at a small and a large rate.",
     "takes the small rate twice", gradient_flow},
    {"saturation", "S69", "Saturated neurons",
     "A saturated sigmoid passes hardly any gradient back.",
     "Weights scaled from 1/4 to 64: share of outputs near 0 or 1, and the length of the gradient "
     "behind them.",
     "puts leaky ReLU in the place of the sigmoid", saturation},
    {"dead_neuron", "S70", "A dead neuron",
     "A ReLU neuron that is silent for all samples gets no gradient and is never updated.",
     "One neuron with bias -50 in a net that trains: its outputs, gradients and the bits of its "
     "weights over 200 updates.",
     "puts ELU in the place of ReLU", dead_neuron},
    {"dead_alarm", "S71", "The alarm at 40 %",
     "More than 40 % dead neurons in a layer call for an alarm.",
     "Nets with 0 to 20 of 20 neurons made silent: counted over the data, alarm above 40 %.",
     "rings above 60 % only", dead_alarm},
    {"dead_share", "S72", "How much do dead neurons cost?",
     "With more than 40 % of its neurons dead a net learns worse.",
     "0 to 80 % of the hidden neurons dead from the start, paired seeds, Student's 95 % interval "
     "of what is lost; it holds if the interval at 60 % lies above 0.",
     "leaves all neurons alive", dead_share},
    {"six_cures", "S73", "Six cures for dead neurons",
     "Leaky ReLU, PReLU, ELU, swish or GELU, a lower learning rate and He's initialisation cure "
     "dying neurons.",
     "Nets that die of a large rate or of a poor start, and the same with each cure: neurons "
     "without any gradient after 400 updates.",
     "leaves every cure out", six_cures},
};

}  // namespace

std::span<const Experiment> gradient_health_experiments() { return kExperiments; }

}  // namespace lab
