// S84..S89, S94..S98: what single neurons respond to, and what their weights say.
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
#include "soma/neuron.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
#include "statistics.hpp"
#include "watch.hpp"

namespace lab {
namespace {

constexpr std::int64_t kHidden = 32;

struct Digits {
  soma::Dataset train, test;
  std::vector<float> images;  // of the test part, [n,28,28,1]
  std::vector<std::int32_t> labels;
};

Digits digits(const Setting& setting, std::int64_t train, std::int64_t test) {
  const soma::DataSplit data = soma::data::load("glyphs", setting.seed);
  Digits d{data.train.head(train), data.test.head(test), {}, {}};
  std::vector<std::int64_t> rows(static_cast<std::size_t>(d.test.size()));
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  d.images.resize(rows.size() * 784);
  d.labels.resize(rows.size());
  d.test.gather_inputs(rows, d.images.data());
  d.test.gather_labels(rows, d.labels.data());
  return d;
}

soma::Model digit_net() {
  soma::Model net({28, 28, 1}, "digits");
  net.add(soma::Conv2d{.filters = 8, .kernel = 5, .activation = "relu"}, "conv")
      .add(soma::MaxPool2d{.size = 4}, "pool");
  net.add(soma::Flatten{}, "flat")
      .add(soma::Dense{.units = kHidden, .activation = "relu"}, "hidden")
      .add(soma::Dense{.units = 10}, "out");
  return net;
}

soma::Model trained_net(const Setting& setting, const Digits& d, std::int64_t epochs) {
  soma::Model net = digit_net();
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Adam{.learning_rate = 2e-3},
                         .seed = setting.seed,
                         .threads = setting.threads});
  trainer.fit(d.train, {.epochs = epochs, .batch = 32});
  return net;
}

/// One layer's outputs over all images, [n, units of the layer].
std::vector<float> responses(const Setting& setting, const soma::Model& net, const Digits& d,
                             const std::string& layer) {
  const auto n = std::ssize(d.labels);
  const soma::Predictor predict(net, setting.backend,
                                {.max_batch = n, .probabilities = false, .concurrency = 1});
  Watch watch([&](std::string_view name) { return name == layer + ".output"; });
  std::vector<float> y(static_cast<std::size_t>(n * predict.output_size()));
  const std::array<soma::TensorView, 1> inputs{d.images};
  const std::array<std::span<float>, 1> outputs{y};
  predict.observed_run(inputs, outputs, watch);
  return watch.of(layer + ".output");
}

/// Mean response of each unit to each class, [units][10].
std::vector<std::array<double, 10>> class_means(const std::vector<float>& h, const Digits& d,
                                                std::size_t units) {
  std::vector<std::array<double, 10>> means(units);
  std::array<double, 10> count{};
  for (const auto label : d.labels) ++count[static_cast<std::size_t>(label)];
  for (std::size_t i = 0; i < d.labels.size(); ++i) {
    for (std::size_t u = 0; u < units; ++u)
      means[u][static_cast<std::size_t>(d.labels[i])] +=
          h[i * units + u] / count[static_cast<std::size_t>(d.labels[i])];
  }
  return means;
}

/// (largest - mean of the others) / (largest + mean of the others): 0 for none, 1 for one class
/// alone; Morcos et al., arXiv:1803.06959.
double selectivity(const std::array<double, 10>& means) {
  const double most = *std::ranges::max_element(means);
  const double rest = (std::accumulate(means.begin(), means.end(), 0.0) - most) / 9;
  return most + rest <= 0 ? 0 : (most - rest) / (most + rest);
}

double mean_selectivity(const std::vector<std::array<double, 10>>& means) {
  double sum = 0, live = 0;
  for (const auto& m : means) {
    if (*std::ranges::max_element(m) <= 0) continue;
    sum += selectivity(m);
    ++live;
  }
  return live == 0 ? 0 : sum / live;
}

Finding selective_neurons(const Setting& setting) {
  const Digits d = digits(setting, setting.quick ? 1500 : 6000, 300);
  soma::Model fresh = digit_net();
  fresh.initialize(setting.seed);
  const auto before = class_means(responses(setting, fresh, d, "hidden"), d, kHidden);
  const soma::Model net = trained_net(setting, d, setting.sabotage ? 0 : 4);
  const auto after = class_means(responses(setting, net, d, "hidden"), d, kHidden);
  const auto edges = class_means(responses(setting, net, d, "out"), d, 10);
  double output_right = 0;  // each output's preferred class is its own
  for (std::size_t u = 0; u < 10; ++u)
    output_right +=
        std::ranges::max_element(edges[u]) - edges[u].begin() == static_cast<std::ptrdiff_t>(u);
  std::vector<double> picture;
  std::vector<std::string> rows;
  for (std::size_t u = 0; u < 12; ++u) {
    const double most = *std::ranges::max_element(after[u]);
    for (const double v : after[u]) picture.push_back(most > 0 ? v / most : 0);
    rows.push_back("hidden:" + std::to_string(u));
  }
  Finding found;
  const double a = mean_selectivity(before), b = mean_selectivity(after);
  found.holds = b > a + 0.02 && output_right >= 9;
  found.measured = "Mean class selectivity of the hidden neurons: " + text_of(a) + " before and " +
                   text_of(b) + " after training (0: same for all classes, 1: one class alone); " +
                   text_of(output_right) + " of 10 outputs prefer their own digit.";
  found.figures = {{"before", a}, {"after", b}, {"outputs_right", output_right}};
  found.seeds = {setting.seed};
  found.picture = heat_map("Mean response by digit, twelve hidden neurons", 12, 10, picture, rows,
                           {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  return found;
}

Finding hierarchy(const Setting& setting) {
  // From edges to parts to digits: selectivity for the digit rises from layer to layer, and what a
  // neuron can see grows.
  const Digits d = digits(setting, setting.quick ? 1500 : 6000, 300);
  soma::Model net({28, 28, 1});
  net.add(soma::Conv2d{.filters = 8, .kernel = 5, .activation = "relu"}, "conv1")
      .add(soma::MaxPool2d{.size = 2}, "pool1");
  net.add(soma::Conv2d{.filters = 16, .kernel = 5, .activation = "relu"}, "conv2")
      .add(soma::MaxPool2d{.size = 2}, "pool2");
  net.add(soma::Flatten{}, "flat")
      .add(soma::Dense{.units = kHidden, .activation = "relu"}, "hidden")
      .add(soma::Dense{.units = 10}, "out");
  net.initialize(setting.seed);
  // How well a layer tells digits apart: by the nearest class mean of its channels' averages.
  const auto separable = [&](const std::string& layer, std::size_t channels) {
    const auto h = responses(setting, net, d, layer);
    const std::size_t n = d.labels.size(), places = h.size() / n / channels;
    std::vector<float> pooled(n * channels);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t p = 0; p < places; ++p) {
        for (std::size_t c = 0; c < channels; ++c)
          pooled[i * channels + c] +=
              h[(i * places + p) * channels + c] / static_cast<float>(places);
      }
    }
    return mean_selectivity(class_means(pooled, d, channels));
  };
  const double untrained = separable("hidden", kHidden);
  if (!setting.sabotage) {
    soma::Trainer trainer(net, setting.backend,
                          {.optimizer = soma::Adam{.learning_rate = 2e-3},
                           .seed = setting.seed,
                           .threads = setting.threads});
    trainer.fit(d.train, {.epochs = 3, .batch = 32});
  }
  const double first = separable("conv1", 8), second = separable("conv2", 16),
               third = separable("hidden", kHidden);
  Finding found;
  found.holds = second > first && third > second && third > untrained + 0.03;
  found.measured = "Mean selectivity for one digit: " + text_of(first) +
                   " in the first convolution (fields of 5 x 5), " + text_of(second) +
                   " in the second (14 x 14), " + text_of(third) +
                   " in the dense layer (the whole image; " + text_of(untrained) +
                   " before training).";
  found.figures = {
      {"conv1", first}, {"conv2", second}, {"hidden", third}, {"hidden_untrained", untrained}};
  found.seeds = {setting.seed};
  for (std::int64_t f = 0; f < 4; ++f) {
    const auto w = net.layer("conv1").neuron(f).weights();
    found.picture += heat_map("What filter " + std::to_string(f) + " of the first layer looks for",
                              5, 5, {w.begin(), w.end()}, {}, {});
  }
  return found;
}

Finding transfer(const Setting& setting) {
  // Features learned on digits 0 to 4, reused for 5 to 9 with few samples.
  const int seeds = setting.quick ? 5 : 10;
  double reused = 0, scratch = 0;
  int better = 0;
  std::vector<double> gains;
  Finding found;
  for (int s = 0; s < seeds; ++s) {
    Setting one = setting;
    one.seed = setting.seed + static_cast<std::uint64_t>(s);
    found.seeds.push_back(one.seed);
    const soma::DataSplit data =
        soma::data::load("glyphs?seed=" + std::to_string(one.seed), one.seed);
    const auto part = [&](const soma::Dataset& from, bool low, std::int64_t most) {
      std::vector<std::int32_t> labels(static_cast<std::size_t>(from.size()));
      std::vector<std::int64_t> rows(labels.size()), kept;
      std::iota(rows.begin(), rows.end(), std::int64_t{0});
      from.gather_labels(rows, labels.data());
      for (std::size_t i = 0; i < labels.size() && std::ssize(kept) < most; ++i) {
        if ((labels[i] < 5) == low) kept.push_back(static_cast<std::int64_t>(i));
      }
      return from.select(kept);
    };
    const auto old_task = part(data.train, true, setting.quick ? 3000 : 5000),
               few = part(data.train, false, 20), test = part(data.test, false, 300);
    const auto options = soma::TrainerOptions{.optimizer = soma::Adam{.learning_rate = 2e-3},
                                              .seed = one.seed,
                                              .threads = setting.threads};
    soma::Model teacher = digit_net();
    {
      soma::Trainer trainer(teacher, one.backend, options);
      trainer.fit(old_task, {.epochs = setting.sabotage ? 0 : 4, .batch = 32});
    }
    const auto learn_few = [&](bool reuse) {
      soma::Model net = digit_net();
      net.initialize(one.seed + 77);
      if (reuse) {
        for (const char* name : {"conv.weight", "conv.bias"}) {
          const auto from = teacher.parameter(name).value.as<float>();
          std::ranges::copy(from, net.parameter(name).value.as<float>().begin());
        }
      }
      soma::Trainer trainer(net, one.backend, options);
      trainer.fit(few, {.epochs = 15, .batch = 8});
      return trainer.evaluate(test).accuracy;
    };
    const double a = learn_few(true), b = learn_few(false);
    reused += a / seeds;
    scratch += b / seeds;
    better += a > b;
    gains.push_back(a - b);
  }
  const Interval gain = interval_95(gains);
  found.holds = gain.low() > 0;
  found.measured = "From 20 samples of the digits 5 to 9: " + text_of(100 * reused) +
                   " % right with a convolution learned on 0 to 4, " + text_of(100 * scratch) +
                   " % from scratch (95 % interval of the gain " + text_of(100 * gain.low()) +
                   " to " + text_of(100 * gain.high()) + " points); better in " +
                   std::to_string(better) + " of " + std::to_string(seeds) + " runs.";
  found.figures = {
      {"reused", reused}, {"scratch", scratch}, {"better", static_cast<double>(better)}};
  return found;
}

Finding top_examples(const Setting& setting) {
  const Digits d = digits(setting, 1000, 300);
  const soma::Model net = trained_net(setting, d, 2);
  const auto h = responses(setting, net, d, "hidden");
  // The same through the neuron's own view, computed by the reference backend.
  int agree = 0, neurons = 0;
  double purity = 0;
  std::string pictures;
  for (std::int64_t unit = 0; unit < 6; ++unit) {
    const auto response = net.layer("hidden").neuron(unit).respond(d.images).activations;
    std::vector<std::size_t> order(d.labels.size()), by_watch(d.labels.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    by_watch = order;
    std::ranges::stable_sort(
        order, [&](std::size_t a, std::size_t b) { return response[a] > response[b]; });
    std::ranges::stable_sort(by_watch, [&](std::size_t a, std::size_t b) {
      return h[a * kHidden + static_cast<std::size_t>(unit)] >
             h[b * kHidden + static_cast<std::size_t>(unit)];
    });
    if (response[order[0]] <= 0) continue;
    ++neurons;
    if (setting.sabotage) std::ranges::reverse(by_watch);
    agree += std::equal(order.begin(), order.begin() + 5, by_watch.begin());
    std::array<int, 10> classes{};
    std::vector<double> strip(28 * 28 * 5);
    for (std::size_t k = 0; k < 5; ++k) {
      ++classes[static_cast<std::size_t>(d.labels[order[k]])];
      for (std::size_t r = 0; r < 28; ++r) {
        for (std::size_t c = 0; c < 28; ++c)
          strip[r * 140 + k * 28 + c] = d.images[order[k] * 784 + r * 28 + c];
      }
    }
    purity += *std::ranges::max_element(classes) / 5.0;
    if (pictures.size() < 600000 && neurons <= 2)
      pictures += heat_map("Five images that excite hidden:" + std::to_string(unit) + " most", 28,
                           140, strip, {}, {});
  }
  purity /= std::max(1, neurons);
  Finding found;
  found.holds = agree == neurons && neurons > 0 && purity > 0.5;
  found.measured = "For " + std::to_string(agree) + " of " + std::to_string(neurons) +
                   " hidden neurons the five strongest images are those that direct computation "
                   "gives; on average " +
                   text_of(100 * purity) + " % of the five show one digit.";
  found.figures = {{"neurons", static_cast<double>(neurons)},
                   {"agree", static_cast<double>(agree)},
                   {"purity", purity}};
  found.seeds = {setting.seed};
  found.picture = pictures;
  return found;
}

Finding polysemantic(const Setting& setting) {
  const Digits d = digits(setting, setting.quick ? 1500 : 6000, 300);
  const soma::Model net = trained_net(setting, d, 4);
  const auto means = class_means(responses(setting, net, d, setting.sabotage ? "out" : "hidden"), d,
                                 setting.sabotage ? 10 : kHidden);
  int several = 0, live = 0;
  std::string list;
  for (std::size_t u = 0; u < means.size(); ++u) {
    const double most = *std::ranges::max_element(means[u]);
    if (most <= 0) continue;
    ++live;
    std::string classes;
    int strong = 0;
    for (std::size_t c = 0; c < 10; ++c) {
      if (means[u][c] < 0.5 * most || (setting.sabotage && means[u][c] < most)) continue;
      ++strong;
      classes += (classes.empty() ? "" : " ") + std::to_string(c);
    }
    if (strong < 2) continue;
    ++several;
    if (several <= 12)
      list += "<tr><td>hidden:" + std::to_string(u) + "</td><td>" + classes + "</td></tr>";
  }
  Finding found;
  const double share = static_cast<double>(several) / std::max(1, live);
  found.holds = several > 0 && share > 0.2;
  found.measured =
      std::to_string(several) + " of " + std::to_string(live) +
      " live neurons respond to two or more digits at half of their strongest response or more.";
  found.figures = {{"live", static_cast<double>(live)},
                   {"polysemantic", static_cast<double>(several)}};
  found.seeds = {setting.seed};
  found.picture =
      "<table><tr><th>neuron</th><th>digits it responds to</th></tr>" + list + "</table>";
  return found;
}

Finding receptive_field(const Setting& setting) {
  // conv 5, pool 2, conv 3: a unit sees 5 + 1 + 2 * 2 = 10 pixels each way.
  soma::Model net({28, 28, 1});
  net.add(soma::Conv2d{.filters = 4, .kernel = 5, .activation = "softplus"})
      .add(soma::AvgPool2d{.size = 2})
      .add(soma::Conv2d{.filters = 3, .kernel = setting.sabotage ? 5 : 3}, "last");
  net.initialize(setting.seed);
  constexpr int kTheory = 10;
  Random random(setting.seed, "lab.field");
  std::vector<float> image(784);
  for (float& v : image) v = static_cast<float>(random.uniform());
  const soma::Predictor predict(net, setting.backend, {.probabilities = false, .concurrency = 1});
  std::vector<float> base(static_cast<std::size_t>(predict.output_size())), moved(base);
  predict.run(std::span<const float>(image), base);
  const auto side = static_cast<std::size_t>(net.output_shape()[0]);
  const std::size_t unit = (4 * side + 4) * 3;
  std::vector<double> influence(784);
  int low_r = 99, high_r = -1, low_c = 99, high_c = -1;
  for (int r = 0; r < 28; ++r) {
    for (int c = 0; c < 28; ++c) {
      auto other = image;
      other[static_cast<std::size_t>(r * 28 + c)] += 1;
      predict.run(std::span<const float>(other), moved);
      influence[static_cast<std::size_t>(r * 28 + c)] = moved[unit] - base[unit];
      if (moved[unit] == base[unit]) continue;
      low_r = std::min(low_r, r), high_r = std::max(high_r, r), low_c = std::min(low_c, c),
      high_c = std::max(high_c, c);
    }
  }
  Finding found;
  const int measured = std::max(high_r - low_r, high_c - low_c) + 1;
  found.holds = measured == kTheory && low_r == 8 && low_c == 8;
  found.measured =
      "Unit (4, 4) behind convolution 5, pooling 2 and convolution 3 reacts to pixels " +
      std::to_string(low_r) + " to " + std::to_string(high_r) +
      " in both directions: " + std::to_string(measured) + " of them; theory says 10, from 8 on.";
  found.figures = {{"measured", static_cast<double>(measured)},
                   {"theory", static_cast<double>(kTheory)}};
  found.seeds = {setting.seed};
  found.picture = heat_map("What each pixel does to the unit", 28, 28, influence, {}, {});
  return found;
}

Finding preferred_stimulus(const Setting& setting) {
  // Of all inputs of length 1 the one along the weights excites a neuron most (Cauchy, Schwarz).
  Random random(setting.seed, "lab.stimulus");
  constexpr std::int64_t kInputs = 16;
  const int neurons = 20, tries = setting.quick ? 500 : 5000;
  double closest = 0;
  int beaten = 0;
  for (int n = 0; n < neurons; ++n) {
    const auto w = random.normals(kInputs);
    const soma::Neuron unit(w, 0, "sigmoid");
    auto best = setting.sabotage ? random.normals(kInputs) : w;
    const double length = norm(best);
    for (float& v : best) v = static_cast<float>(v / length);
    const double top = unit.pre_activation(best);
    for (int i = 0; i < tries; ++i) {
      auto x = random.normals(kInputs);
      const double l = norm(x);
      for (float& v : x) v = static_cast<float>(v / l);
      const double z = unit.pre_activation(x);
      beaten += z > top;
      closest = std::max(closest, z / std::abs(top));
    }
  }
  Finding found;
  found.holds = beaten == 0;
  found.measured = "Of " + text_of(static_cast<double>(neurons) * tries) +
                   " random patterns of length 1, " + text_of(beaten) +
                   " excited a neuron more than the pattern of its weights; the best came to " +
                   text_of(100 * closest) + " % of it.";
  found.figures = {{"beaten", static_cast<double>(beaten)}, {"closest", closest}};
  found.seeds = {setting.seed};
  return found;
}

Finding weight_importance(const Setting& setting) {
  const Digits d = digits(setting, setting.quick ? 1500 : 6000, 300);
  soma::Model net = trained_net(setting, d, 3);
  auto w = net.parameter("hidden.weight").value.as<float>();
  const std::vector<float> kept(w.begin(), w.end());
  std::vector<std::size_t> by_size(kept.size()), by_lot(kept.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  by_lot = by_size;
  std::ranges::sort(
      by_size, [&](std::size_t a, std::size_t b) { return std::abs(kept[a]) < std::abs(kept[b]); });
  Random random(setting.seed, "lab.pruning");
  for (std::size_t i = by_lot.size(); i > 1; --i)
    std::swap(by_lot[i - 1],
              by_lot[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(i)))]);
  const auto without = [&](const std::vector<std::size_t>& order, double share) {
    std::ranges::copy(kept, w.begin());
    for (std::size_t k = 0; k < static_cast<std::size_t>(share * static_cast<double>(order.size()));
         ++k)
      w[order[k]] = 0;
    ++net.parameter("hidden.weight").version;
    const auto y = responses(setting, net, d, "out");
    double right = 0;
    for (std::size_t i = 0; i < d.labels.size(); ++i)
      right += std::max_element(&y[i * 10], &y[i * 10] + 10) - &y[i * 10] == d.labels[i];
    return right / static_cast<double>(d.labels.size());
  };
  if (setting.sabotage) std::ranges::reverse(by_size);
  Points small, lot;
  for (const double share : {0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95}) {
    small.emplace_back(100 * share, 100 * without(by_size, share));
    lot.emplace_back(100 * share, 100 * without(by_lot, share));
  }
  Finding found;
  found.holds = small[2].second > lot[2].second + 5 && small[4].second > lot[4].second + 5;
  found.measured = "Right answers with 0, 50 and 80 % of the hidden weights taken out: " +
                   text_of(small[0].second) + ", " + text_of(small[2].second) + ", " +
                   text_of(small[4].second) + " % smallest first; by lot " +
                   text_of(lot[2].second) + " and " + text_of(lot[4].second) + " %.";
  found.figures = {
      {"intact", small[0].second}, {"smallest_80", small[4].second}, {"by_lot_80", lot[4].second}};
  found.seeds = {setting.seed};
  found.picture = Plot("Taking weights out", "weights taken out, %", "right answers, %")
                      .line("smallest first", small)
                      .line("by lot", lot)
                      .svg();
  return found;
}

Finding weight_history(const Setting& setting) {
  const Digits d = digits(setting, 1500, 100);
  soma::Model net = digit_net();
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Adam{.learning_rate = setting.sabotage ? 0 : 1e-3},
                         .seed = setting.seed,
                         .threads = setting.threads});
  const auto first = net.parameter("hidden.weight").value.clone();
  std::vector<float> last(first.as<float>().begin(), first.as<float>().end());
  Points distance, speed, deviation, loss;
  const int epochs = setting.quick ? 8 : 20;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    const auto progress =
        trainer.fit(d.train, {.epochs = epoch,
                              .batch = 32,
                              .on_epoch = [&](const soma::Progress& p, const soma::Evaluation*) {
                                loss.emplace_back(epoch, p.mean_loss);
                              }});
    static_cast<void>(progress);
    const auto w = net.parameter("hidden.weight").value.as<float>();
    double from_start = 0, from_last = 0, mean = 0, square = 0;
    for (std::size_t k = 0; k < w.size(); ++k) {
      from_start += std::pow(double{w[k]} - first.as<float>()[k], 2);
      from_last += std::pow(double{w[k]} - last[k], 2);
      mean += w[k] / static_cast<double>(w.size());
    }
    for (const float v : w) square += (v - mean) * (v - mean) / static_cast<double>(w.size());
    last.assign(w.begin(), w.end());
    distance.emplace_back(epoch, std::sqrt(from_start));
    speed.emplace_back(epoch, std::sqrt(from_last));
    deviation.emplace_back(epoch, std::sqrt(square));
  }
  Finding found;
  bool outwards = true;
  for (std::size_t i = 1; i < distance.size(); ++i)
    outwards &= distance[i].second > distance[i - 1].second;
  const double slowing = speed.back().second / speed.front().second;
  found.holds = outwards && slowing < 0.7 && deviation.back().second > deviation.front().second &&
                loss.back().second < loss.front().second;
  found.measured = "Over " + std::to_string(epochs) +
                   " epochs the weights moved ever further from their start (to " +
                   text_of(distance.back().second) + "), in the last epoch " + text_of(slowing) +
                   " as far as in the first, while the loss fell from " +
                   text_of(loss.front().second) + " to " + text_of(loss.back().second) +
                   " and their deviation grew from " + text_of(deviation.front().second) + " to " +
                   text_of(deviation.back().second) + ".";
  found.figures = {{"distance", distance.back().second},
                   {"last_over_first_epoch", slowing},
                   {"deviation_first", deviation.front().second},
                   {"deviation_last", deviation.back().second}};
  found.seeds = {setting.seed};
  found.picture = Plot("How far the weights move in an epoch", "epoch", "distance")
                      .line("in this epoch", speed)
                      .line("from the start", distance)
                      .svg() +
                  Plot("Loss", "epoch", "training loss").log_y().line("", loss).svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"selective_neurons", "S84", "Neurons specialise",
     "Training makes neurons selective: they respond to some classes and not to others.",
     "Class selectivity (largest against mean response) of hidden neurons before and after "
     "training on digits. Morcos et al., arXiv:1803.06959.",
     "leaves the training out", selective_neurons},
    {"hierarchy", "S85", "From edges to digits",
     "First layers see edges, later ones parts and whole objects.",
     "Selectivity for one digit, layer by layer, in a net of two convolutions and a dense layer.",
     "leaves the training out", hierarchy},
    {"transfer", "S86", "Reused features",
     "Layers learned on one task help another one that has few samples.",
     "Digits 5 to 9 from 20 samples, with a convolution learned on 0 to 4 and from scratch, paired "
     "seeds; it holds if the 95 % interval of the gain lies above 0.",
     "leaves the first task out", transfer},
    {"top_examples", "S88", "What excites a neuron most",
     "The samples that excite a neuron most show what it looks for.",
     "The five strongest images of hidden neurons by the engine's tensors and by the neuron's own "
     "computation; how many show one digit.",
     "turns one of the orders round", top_examples},
    {"polysemantic", "S89", "Neurons with several meanings",
     "Many neurons respond to several unrelated things.",
     "Hidden neurons whose mean response to two or more digits is at least half of their largest.",
     "silences each neuron for all digits but its favourite", polysemantic},
    {"receptive_field", "S94", "What a neuron can see",
     "The receptive field of a unit follows from the kernels and strides before it.",
     "Each pixel changed in turn: those that change a unit behind convolution 5, pooling 2, "
     "convolution 3, against theory.",
     "makes the last kernel larger", receptive_field},
    {"preferred_stimulus", "S95", "The preferred stimulus",
     "A neuron's preferred input is the pattern of its weights.",
     "Random patterns of length 1 against that of the weights.",
     "takes a random pattern for that of the weights", preferred_stimulus},
    {"weight_importance", "S96", "Small weights matter less",
     "The size of a weight tells its importance.",
     "Right answers with weights taken out, smallest first and by lot. Han et al., "
     "arXiv:1506.02626.",
     "takes the largest out first", weight_importance},
    {"weight_history", "S97 S98", "Weights while they learn",
     "Weights spread and settle as training converges.",
     "Distance from the start, distance moved in each epoch and deviation of the hidden weights "
     "over training.",
     "sets the learning rate to 0", weight_history},
};

}  // namespace

std::span<const Experiment> selectivity_experiments() { return kExperiments; }

}  // namespace lab
