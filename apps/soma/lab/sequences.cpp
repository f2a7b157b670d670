// S38..S43, S46..S48: memory, gates, attention, language, and nets that generate.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
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
#include "watch.hpp"

namespace lab {
namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// A symbol, then noise: what was the symbol?
Finding recall(const Setting& setting) {
  constexpr std::int64_t kSteps = 12, kCount = 256;
  const auto make = [&](std::uint64_t seed) {
    Random random(seed, "lab.recall");
    std::pair<std::vector<float>, std::vector<float>> data;
    for (std::int64_t i = 0; i < kCount; ++i) {
      const bool symbol = random.uniform() < 0.5;
      for (std::int64_t t = 0; t < kSteps; ++t) {
        data.first.push_back(t > 0              ? static_cast<float>(0.3 * random.normal())
                             : setting.sabotage ? 0.0f
                             : symbol           ? 1.0f
                                                : -1.0f);
      }
      data.second.push_back(symbol ? 1.0f : 0.0f);
    }
    return data;
  };
  const auto [x, t] = make(setting.seed);
  const auto [test_x, test_t] = make(setting.seed + 1000);
  const auto run = [&](bool recurrent) {
    soma::Model net({recurrent ? kSteps : 1, 1});
    if (recurrent) {
      net.add(soma::Rnn{.units = 16, .return_sequences = false});
    } else {
      net.add(soma::Dense{.units = 16, .activation = "tanh"});
    }
    net.add(soma::Dense{.units = 1}).set_loss(soma::Loss::binary_cross_entropy_with_logits);
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Adam{.learning_rate = 5e-3}, .seed = setting.seed, .threads = 1});
    // Without memory a net sees what is there at the end.
    const auto view = [&](const std::vector<float>& from) {
      if (recurrent) return from;
      std::vector<float> last;
      for (std::size_t i = kSteps - 1; i < from.size(); i += kSteps) last.push_back(from[i]);
      return last;
    };
    const auto train_x = view(x), seen = view(test_x);
    for (int step = 0; step < (setting.quick ? 250 : 800); ++step) trainer.step(train_x, t);
    const soma::Predictor predict(net, setting.backend, {.max_batch = kCount, .concurrency = 1});
    std::vector<float> y(kCount);
    predict.run(std::span<const float>(seen), y);
    double right = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      right += ((y[i] > 0.5f) == (test_t[i] > 0.5f)) / static_cast<double>(kCount);
    return right;
  };
  const double with = run(true), without = run(false);
  Finding found;
  found.holds = with > 0.95 && without < 0.65;
  found.measured = "A symbol shown 11 steps before the end was told by a recurrent net in " +
                   text_of(100 * with) +
                   " % of fresh sequences, by a net that sees the last step alone in " +
                   text_of(100 * without) + " %.";
  found.figures = {{"recurrent", with}, {"without_memory", without}};
  found.seeds = {setting.seed};
  return found;
}

/// One layer's weights as float64, by their names behind the layer's.
std::vector<double> weights(const soma::Model& net, const std::string& name) {
  for (const soma::Parameter& p : net.parameters()) {
    if (p.name.ends_with("." + name))
      return {p.value.as<float>().begin(), p.value.as<float>().end()};
  }
  return {};
}

Finding gates(const Setting& setting) {
  constexpr std::size_t kSteps = 20, kIn = 3, kUnits = 5;
  Random random(setting.seed, "lab.gates");
  const auto x = random.normals(kSteps * kIn);
  soma::Model lstm({kSteps, kIn}), gru({kSteps, kIn});
  lstm.add(soma::Lstm{.units = kUnits}, "lstm");
  gru.add(soma::Gru{.units = kUnits}, "gru");
  lstm.initialize(setting.seed);
  gru.initialize(setting.seed);
  const auto answer = [&](const soma::Model& net) {
    const soma::Predictor predict(net, setting.backend, {.probabilities = false, .concurrency = 1});
    std::vector<float> y(kSteps * kUnits);
    predict.run(std::span<const float>(x), y);
    return y;
  };
  const auto sum = [&](const std::vector<double>& w, std::size_t row, const double* v,
                       std::size_t n) {
    double s = 0;
    for (std::size_t k = 0; k < n; ++k) s += w[row * n + k] * v[k];
    return s;
  };
  // The LSTM by hand: gates i, f, g, o.
  double worst_lstm = 0, worst_gru = 0;
  Points input_gate, forget_gate, output_gate, cell;
  {
    const auto w = weights(lstm, "l0.w"), u = weights(lstm, "l0.u"), b = weights(lstm, "l0.bias");
    const auto y = answer(lstm);
    std::array<double, kUnits> h{}, c{};
    for (std::size_t t = 0; t < kSteps; ++t) {
      std::array<double, kIn> in;
      for (std::size_t k = 0; k < kIn; ++k) in[k] = x[t * kIn + k];
      std::array<double, 4 * kUnits> a;
      for (std::size_t r = 0; r < a.size(); ++r)
        a[r] = sum(w, r, in.data(), kIn) + sum(u, r, h.data(), kUnits) + b[r];
      for (std::size_t j = 0; j < kUnits; ++j) {
        const double i = logistic(a[j]), f = logistic(a[kUnits + j]),
                     g = std::tanh(a[2 * kUnits + j]), o = logistic(a[3 * kUnits + j]);
        c[j] = (setting.sabotage ? 1 : f) * c[j] + i * g;  // sabotage: a cell that never forgets
        h[j] = o * std::tanh(c[j]);
        worst_lstm = std::max(worst_lstm, std::abs(h[j] - y[t * kUnits + j]));
        if (j == 0) {
          input_gate.emplace_back(t, i), forget_gate.emplace_back(t, f),
              output_gate.emplace_back(t, o), cell.emplace_back(t, c[j]);
        }
      }
    }
  }
  {
    const auto w = weights(gru, "l0.w"), u = weights(gru, "l0.u"), b = weights(gru, "l0.bias"),
               bu = weights(gru, "l0.bias_u");
    const auto y = answer(gru);
    std::array<double, kUnits> h{};
    for (std::size_t t = 0; t < kSteps; ++t) {
      std::array<double, kIn> in;
      for (std::size_t k = 0; k < kIn; ++k) in[k] = x[t * kIn + k];
      const auto before = h;
      for (std::size_t j = 0; j < kUnits; ++j) {
        const auto gate = [&](std::size_t g) {
          return sum(w, g * kUnits + j, in.data(), kIn) + b[g * kUnits + j];
        };
        const auto state = [&](std::size_t g) {
          return sum(u, g * kUnits + j, before.data(), kUnits);
        };
        const double r = logistic(gate(0) + state(0)), z = logistic(gate(1) + state(1)),
                     n = std::tanh(gate(2) + r * (state(2) + bu[j]));
        h[j] = (1 - z) * n + z * before[j];
        worst_gru = std::max(worst_gru, std::abs(h[j] - y[t * kUnits + j]));
      }
    }
  }
  Finding found;
  found.holds = worst_lstm < 1e-5 && worst_gru < 1e-5;
  found.measured =
      "Twenty steps by hand, gate by gate in float64: the LSTM's states agree within " +
      text_of(worst_lstm) + ", the GRU's within " + text_of(worst_gru) + ".";
  found.figures = {{"lstm_error", worst_lstm}, {"gru_error", worst_gru}};
  found.seeds = {setting.seed};
  found.picture = Plot("Gates of one LSTM unit", "step", "")
                      .line("input gate", input_gate)
                      .line("forget gate", forget_gate)
                      .line("output gate", output_gate)
                      .line("cell", cell)
                      .svg();
  return found;
}

template <class Layer>
Points learn_adding(const Setting& setting, const soma::DataSplit& data, int updates) {
  soma::Model net(data.train.sample_shape());
  net.add(Layer{.units = 24, .return_sequences = false})
      .add(soma::Dense{.units = 1})
      .set_loss(soma::Loss::mean_squared_error);
  soma::TrainerOptions options{.optimizer = soma::Adam{.learning_rate = 5e-3},
                               .seed = setting.seed,
                               .threads = setting.threads};
  options.regularization.clip_norm = 1;
  soma::Trainer trainer(net, setting.backend, options);
  Points line;
  const int pieces = 10;
  for (int piece = 1; piece <= pieces; ++piece) {
    trainer.fit(data.train, {.steps = updates * piece / pieces, .batch = 32});
    line.emplace_back(updates * piece / pieces, trainer.evaluate(data.test).loss);
  }
  return line;
}

Finding adding_problem(const Setting& setting) {
  const std::int64_t steps = setting.quick ? 40 : 100;
  const int updates = setting.quick ? 900 : 4000;
  const soma::DataSplit data = soma::data::load(
      "adding?length=" + std::to_string(steps) + "&train=8000&test=300", setting.seed);
  // Answering the mean leaves the variance of a sum of two numbers in [0, 1]: 1/6.
  constexpr double kBlind = 1.0 / 6;
  const Points rnn = learn_adding<soma::Rnn>(setting, data, updates);
  const Points lstm = setting.sabotage ? rnn : learn_adding<soma::Lstm>(setting, data, updates);
  const Points gru = setting.sabotage ? rnn : learn_adding<soma::Gru>(setting, data, updates);
  const auto end = [](const Points& p) { return p.back().second; };
  Finding found;
  found.holds = end(rnn) > 0.5 * kBlind && end(lstm) < 0.2 * kBlind && end(gru) < 0.2 * kBlind;
  found.measured = "Adding two marked numbers among " + std::to_string(steps) + ", error after " +
                   std::to_string(updates) + " updates (0.167 is answering blindly): RNN " +
                   text_of(end(rnn)) + ", LSTM " + text_of(end(lstm)) + ", GRU " +
                   text_of(end(gru)) + ".";
  found.figures = {{"rnn", end(rnn)}, {"lstm", end(lstm)}, {"gru", end(gru)}};
  found.seeds = {setting.seed};
  found.picture = Plot("The adding problem", "update", "squared error on fresh samples")
                      .log_y()
                      .line("RNN", rnn)
                      .line("LSTM", lstm)
                      .line("GRU", gru)
                      .mark("blind", kBlind)
                      .svg();
  return found;
}

Finding attention(const Setting& setting) {
  // Repeat a sequence backwards: position i must look at position 5 - i.
  constexpr std::int64_t kLength = 6, kSymbols = 5, kCount = 512;
  Random random(setting.seed, "lab.attention");
  std::vector<std::int32_t> x, t;
  for (std::int64_t i = 0; i < kCount; ++i) {
    std::array<std::int32_t, kLength> word;
    for (auto& s : word) s = static_cast<std::int32_t>(random.below(kSymbols));
    x.insert(x.end(), word.begin(), word.end());
    t.insert(t.end(), word.rbegin(), word.rend());
  }
  const auto run = [&](bool attends, std::vector<float>* probabilities) {
    soma::Model net({kLength}, "reverse", soma::DType::i32);
    net.add(soma::Embedding{.vocab = kSymbols, .units = 24}, "embed")
        .add(soma::PositionalEncoding{.kind = "learned"}, "position");
    if (attends) net.add(soma::MultiHeadAttention{.heads = 1}, "attend");
    net.add(soma::Dense{.units = 32, .activation = "relu", .last_axis = true})
        .add(soma::Dense{.units = kSymbols, .last_axis = true}, "out");
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Adam{.learning_rate = 5e-3}, .seed = setting.seed, .threads = 1});
    for (int step = 0; step < (setting.quick ? 300 : 800); ++step) trainer.step(x, t);
    if (probabilities != nullptr) {
      Watch watch([](std::string_view name) { return name.starts_with("attention/1.fwd"); });
      watched_step(trainer, watch, x, t);
      for (const auto& [name, values] : watch.all()) *probabilities = values;
    }
    const soma::Predictor predict(net, setting.backend, {.max_batch = kCount, .concurrency = 1});
    std::vector<float> y(kCount * kLength * kSymbols);
    predict.run(std::span<const std::int32_t>(x), y);
    double right = 0;
    for (std::size_t i = 0; i < t.size(); ++i) {
      const auto first = y.begin() + static_cast<std::ptrdiff_t>(i) * kSymbols;
      right += (std::max_element(first, first + kSymbols) - first == t[i]) /
               static_cast<double>(t.size());
    }
    return right;
  };
  std::vector<float> weights;
  const double with = run(!setting.sabotage, &weights), without = run(false, nullptr);
  std::vector<double> mean(kLength * kLength);
  double spread = 0;
  if (!weights.empty()) {
    for (std::size_t i = 0; i < weights.size(); ++i)
      mean[i % mean.size()] += weights[i] / static_cast<double>(kCount);
    for (std::size_t i = 0; i < weights.size(); ++i)
      spread = std::max(spread, std::abs(weights[i] - mean[i % mean.size()]));
  }
  Finding found;
  found.holds = with > 0.95 && without < 0.6 && spread > 0.05;
  found.measured = "Repeating six symbols backwards: " + text_of(100 * with) +
                   " % right with attention, " + text_of(100 * without) +
                   " % without; the weights differ from their mean over the data by up to " +
                   text_of(spread) + ".";
  found.figures = {
      {"with_attention", with}, {"without", without}, {"largest_change_of_a_weight", spread}};
  found.seeds = {setting.seed};
  found.picture =
      heat_map("Where each position looks (rows: position of the answer)", kLength, kLength, mean,
               {"1", "2", "3", "4", "5", "6"}, {"1", "2", "3", "4", "5", "6"});
  return found;
}

/// A language of four letters where the two before decide the odds of the next.
struct Language {
  static constexpr std::size_t kLetters = 4;
  std::array<std::array<double, kLetters>, kLetters * kLetters> odds;

  explicit Language(std::uint64_t seed) {
    Random random(seed, "lab.language");
    for (auto& row : odds) {
      double sum = 0;
      for (double& p : row) sum += p = std::exp(1.3 * random.normal());
      for (double& p : row) p /= sum;
    }
  }
  std::vector<std::uint8_t> write(Random& random, std::size_t length) const {
    std::vector<std::uint8_t> text{0, 1};
    while (text.size() < length)
      text.push_back(static_cast<std::uint8_t>(
          draw(random, odds[text[text.size() - 2] * kLetters + text.back()])));
    return text;
  }
  static std::size_t draw(Random& random, std::span<const double> p) {
    double at = random.uniform();
    for (std::size_t i = 0; i + 1 < p.size(); ++i) {
      if ((at -= p[i]) < 0) return i;
    }
    return p.size() - 1;
  }
  /// Bits that nobody can save, measured on a text.
  double entropy(const std::vector<std::uint8_t>& text) const {
    double bits = 0;
    for (std::size_t i = 2; i < text.size(); ++i)
      bits -= std::log2(odds[text[i - 2] * kLetters + text[i - 1]][text[i]]);
    return bits / static_cast<double>(text.size() - 2);
  }
};

Finding language_model(const Setting& setting) {
  const Language language(setting.seed);
  Random random(setting.seed, "lab.text");
  constexpr std::int64_t kContext = 16;
  const std::vector<std::string> names{"a", "b", "c", "d"};
  const auto train_text = language.write(random, setting.quick ? 24000 : 80000),
             test_text = language.write(random, 4000);
  const auto train = soma::Dataset::windows("language", train_text, kContext, kContext, names),
             test = soma::Dataset::windows("language", test_text, kContext, kContext, names);
  soma::Model net({kContext}, "language", soma::DType::i32);
  net.add(soma::Embedding{.vocab = 4, .units = 16}, "embed")
      .add(soma::PositionalEncoding{.kind = "learned"}, "position");
  net.add(soma::TransformerDecoderBlock{.heads = 2}, "block")
      .add(soma::Dense{.units = 4, .last_axis = true}, "logits");
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Adam{.learning_rate = 3e-3},
                         .seed = setting.seed,
                         .threads = setting.threads});
  Points curve;
  const int epochs = setting.quick ? 12 : 20;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    trainer.fit(train, {.epochs = epoch, .batch = 16});
    curve.emplace_back(epoch, trainer.evaluate(test).loss / std::numbers::ln2);
  }
  const double floor = language.entropy(test_text), bits = curve.back().second;
  // What it writes: letter by letter from its own odds.
  const soma::Predictor predict(net, setting.backend, {.concurrency = 1});
  std::vector<std::int32_t> context(kContext);
  std::vector<float> odds(kContext * 4);
  std::vector<std::uint8_t> written{0, 1};
  const std::size_t length = setting.quick ? 3000 : 8000;
  while (written.size() < length) {
    const std::size_t known = std::min<std::size_t>(written.size(), kContext);
    for (std::size_t i = 0; i < known; ++i) context[i] = written[written.size() - known + i];
    predict.run(std::span<const std::int32_t>(context), odds);
    const float* last = &odds[(known - 1) * 4];
    const std::array<double, 4> p{last[0], last[1], last[2], last[3]};
    written.push_back(static_cast<std::uint8_t>(
        setting.sabotage ? random.below(4) : static_cast<std::int64_t>(Language::draw(random, p))));
  }
  // Pairs of letters as often as in the language.
  std::array<double, 16> true_pairs{}, own_pairs{};
  for (std::size_t i = 1; i < train_text.size(); ++i)
    true_pairs[train_text[i - 1] * 4u + train_text[i]] +=
        1.0 / static_cast<double>(train_text.size() - 1);
  for (std::size_t i = 1; i < written.size(); ++i)
    own_pairs[written[i - 1] * 4u + written[i]] += 1.0 / static_cast<double>(written.size() - 1);
  double distance = 0;
  for (std::size_t i = 0; i < 16; ++i) distance += std::abs(true_pairs[i] - own_pairs[i]) / 2;
  Finding found;
  found.holds = bits < 1.1 * floor + 0.06 && distance < 0.08;
  found.measured =
      "On a language of four letters whose entropy is " + text_of(floor) +
      " bits a letter, a one-block transformer reached " + text_of(bits) +
      " (blind: 2). What it writes has pairs of letters as the language has, but for " +
      text_of(100 * distance) + " % of them.";
  found.figures = {{"entropy_bits", floor}, {"model_bits", bits}, {"distance_of_pairs", distance}};
  found.seeds = {setting.seed};
  found.picture = Plot("Bits for each letter", "epoch", "bits")
                      .line("the net", curve)
                      .mark("entropy", floor)
                      .svg();
  return found;
}

/// Eigenvectors of a symmetric matrix by Jacobi's rotations; columns of the result, largest first.
std::vector<double> principal_axes(std::vector<double> a, std::size_t n) {
  std::vector<double> v(n * n);
  for (std::size_t i = 0; i < n; ++i) v[i * n + i] = 1;
  for (int sweep = 0; sweep < 60; ++sweep) {
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (std::abs(a[p * n + q]) < 1e-14) continue;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1)),
                     c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[k * n + p], y = a[k * n + q];
          a[k * n + p] = c * x - s * y, a[k * n + q] = s * x + c * y;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[p * n + k], y = a[q * n + k];
          a[p * n + k] = c * x - s * y, a[q * n + k] = s * x + c * y;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double x = v[k * n + p], y = v[k * n + q];
          v[k * n + p] = c * x - s * y, v[k * n + q] = s * x + c * y;
        }
      }
    }
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order,
                    [&](std::size_t l, std::size_t r) { return a[l * n + l] > a[r * n + r]; });
  std::vector<double> sorted(n * n);
  for (std::size_t c = 0; c < n; ++c) {
    for (std::size_t r = 0; r < n; ++r) sorted[r * n + c] = v[r * n + order[c]];
  }
  return sorted;
}

Finding autoencoder(const Setting& setting) {
  // Points of a curved line in eight dimensions: one number says all, but no straight line does.
  constexpr std::size_t kDims = 8, kCount = 512;
  Random random(setting.seed, "lab.autoencoder");
  std::vector<float> x;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double s = random.uniform(-1, 1);
    for (std::size_t d = 0; d < kDims; ++d)
      x.push_back(static_cast<float>(
          std::sin((1 + 0.35 * static_cast<double>(d)) * s + static_cast<double>(d)) +
          0.02 * random.normal()));
  }
  std::vector<double> mean(kDims), covariance(kDims * kDims);
  for (std::size_t i = 0; i < x.size(); ++i) mean[i % kDims] += x[i] / static_cast<double>(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    for (std::size_t r = 0; r < kDims; ++r) {
      for (std::size_t c = 0; c < kDims; ++c)
        covariance[r * kDims + c] += (x[i * kDims + r] - mean[r]) * (x[i * kDims + c] - mean[c]) /
                                     static_cast<double>(kCount);
    }
  }
  const auto axes = principal_axes(covariance, kDims);
  double pca = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    double along = 0;
    for (std::size_t d = 0; d < kDims; ++d) along += (x[i * kDims + d] - mean[d]) * axes[d * kDims];
    for (std::size_t d = 0; d < kDims; ++d)
      pca += std::pow(x[i * kDims + d] - mean[d] - along * axes[d * kDims], 2) /
             static_cast<double>(x.size());
  }
  soma::Model net({kDims}, "autoencoder");
  const std::string bend = setting.sabotage ? "" : "tanh";
  net.add(soma::Dense{.units = 24, .activation = bend})
      .add(soma::Dense{.units = 1}, "code")
      .add(soma::Dense{.units = 24, .activation = bend})
      .add(soma::Dense{.units = kDims});
  net.set_loss(soma::Loss::mean_squared_error);
  soma::Trainer trainer(
      net, setting.backend,
      {.optimizer = soma::Adam{.learning_rate = 5e-3}, .seed = setting.seed, .threads = 1});
  Points curve;
  double loss = 0;
  const int steps = setting.quick ? 1500 : 5000;
  for (int step = 0; step < steps; ++step) {
    loss = trainer.step(x, x);
    if (step % 10 == 0) curve.emplace_back(step, loss);
  }
  Finding found;
  found.holds = loss < 0.3 * pca;
  found.measured =
      "Squeezed through one number, points of a curve in eight dimensions came back with a squared "
      "error of " +
      text_of(loss) + "; with the first principal component it is " + text_of(pca) + ".";
  found.figures = {{"autoencoder", loss}, {"pca", pca}};
  found.seeds = {setting.seed};
  found.picture = Plot("Reconstruction", "update", "squared error")
                      .log_y()
                      .line("autoencoder", curve)
                      .mark("PCA", pca)
                      .svg();
  return found;
}

Finding five_tasks(const Setting& setting) {
  struct Result {
    std::string task;
    double measured, blind;
    bool smaller_is_better;
  };
  std::vector<Result> results;
  const auto trainer_options = [&](double rate) {
    return soma::TrainerOptions{
        .optimizer = soma::Adam{.learning_rate = setting.sabotage ? 0 : rate},
        .seed = setting.seed,
        .threads = setting.threads};
  };
  {
    const auto data = soma::data::load("glyphs", setting.seed);
    soma::Model net({28, 28, 1});
    net.add(soma::Conv2d{.filters = 8, .kernel = 5, .activation = "relu"})
        .add(soma::MaxPool2d{.size = 4})
        .add(soma::Flatten{})
        .add(soma::Dense{.units = 10});
    soma::Trainer trainer(net, setting.backend, trainer_options(2e-3));
    trainer.fit(data.train.head(2000), {.epochs = 2, .batch = 32});
    results.push_back(
        {"images: digits told", trainer.evaluate(data.test.head(500)).accuracy, 0.1, false});
  }
  {
    const Language language(setting.seed);
    Random random(setting.seed, "lab.five");
    const std::vector<std::string> names{"a", "b", "c", "d"};
    const auto train = soma::Dataset::windows("text", language.write(random, 8000), 16, 16, names),
               test = soma::Dataset::windows("text", language.write(random, 2000), 16, 16, names);
    soma::Model net({16}, "text", soma::DType::i32);
    net.add(soma::Embedding{.vocab = 4, .units = 8})
        .add(soma::Gru{.units = 16})
        .add(soma::Dense{.units = 4, .last_axis = true});
    soma::Trainer trainer(net, setting.backend, trainer_options(1e-2));
    trainer.fit(train, {.epochs = 6, .batch = 16});
    results.push_back(
        {"text: bits a letter", trainer.evaluate(test).loss / std::numbers::ln2, 2, true});
  }
  {
    const auto data = soma::data::load("tones", setting.seed);
    soma::Model net(data.train.sample_shape());
    net.add(soma::Conv1d{.filters = 8, .kernel = 16, .stride = 4, .activation = "relu"})
        .add(soma::MaxPool1d{.size = 4})
        .add(soma::Conv1d{.filters = 16, .kernel = 5, .activation = "relu"});
    net.add(soma::MaxPool1d{.size = 4})
        .add(soma::Flatten{})
        .add(soma::Dense{.units = data.train.classes()});
    soma::Trainer trainer(net, setting.backend, trainer_options(3e-3));
    trainer.fit(data.train.head(800), {.epochs = 6, .batch = 16});
    results.push_back({"sound: wave forms told", trainer.evaluate(data.test).accuracy,
                       1.0 / static_cast<double>(data.train.classes()), false});
  }
  {
    // A series: the next value of a beating oscillation from the sixteen before it.
    std::vector<float> x, t;
    double mean = 0, variance = 0;
    for (int i = 0; i < 512; ++i) {
      const auto at = [](int n) {
        return static_cast<float>(std::sin(0.31 * n) * std::cos(0.043 * n));
      };
      for (int k = 0; k < 16; ++k) x.push_back(at(i + k));
      t.push_back(at(i + 16));
      mean += t.back() / 512.0;
    }
    for (const float v : t) variance += (v - mean) * (v - mean) / 512;
    soma::Model net({16, 1});
    net.add(soma::Lstm{.units = 8, .return_sequences = false})
        .add(soma::Dense{.units = 1})
        .set_loss(soma::Loss::mean_squared_error);
    soma::Trainer trainer(net, setting.backend, trainer_options(1e-2));
    double loss = 0;
    for (int step = 0; step < 150; ++step) loss = trainer.step(x, t);
    results.push_back({"series: squared error of the next value", loss, variance, true});
  }
  {
    Random random(setting.seed, "lab.regression");
    const auto x = random.normals(512 * 4);
    std::vector<float> t;
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < 512; ++i) {
      t.push_back(static_cast<float>(x[4 * i] * x[4 * i + 1] + std::sin(x[4 * i + 2]) +
                                     0.1 * random.normal()));
      mean += t.back() / 512.0;
    }
    for (const float v : t) variance += (v - mean) * (v - mean) / 512;
    soma::Model net({4});
    net.add(soma::Dense{.units = 32, .activation = "tanh"})
        .add(soma::Dense{.units = 1})
        .set_loss(soma::Loss::mean_squared_error);
    soma::Trainer trainer(net, setting.backend, trainer_options(1e-2));
    double loss = 0;
    for (int step = 0; step < 400; ++step) loss = trainer.step(x, t);
    results.push_back({"regression: squared error", loss, variance, true});
  }
  Finding found;
  int solved = 0;
  std::string text;
  for (const Result& r : results) {
    const bool good =
        r.smaller_is_better ? r.measured < 0.8 * r.blind : r.measured > std::min(0.9, 3 * r.blind);
    solved += good;
    text += (text.empty() ? "" : "; ") + r.task + " " + text_of(r.measured) + " (blind " +
            text_of(r.blind) + ")";
    found.figures.push_back({r.task, r.measured});
  }
  found.holds = solved == 5;
  found.measured = std::to_string(solved) + " of 5 tasks learned: " + text + ".";
  found.seeds = {setting.seed};
  return found;
}

constexpr Experiment kExperiments[] = {
    {"recall", "S38", "Memory",
     "Recurrent neurons feed back their own last output, which is a memory.",
     "A symbol, eleven steps of noise: what was it? A recurrent net against one that sees the last "
     "step alone.",
     "never shows the symbol", recall},
    {"gates", "S39 S40", "Gates of LSTM and GRU",
     "An LSTM has input, forget and output gates and a cell; a GRU does with two gates.",
     "Both layers unrolled by hand in float64, gate by gate, from their weights. Hochreiter & "
     "Schmidhuber (1997); Cho et al. (2014).",
     "lets the LSTM's cell never forget", gates},
    {"adding_problem", "S41", "What gates are for",
     "Gates control what is kept over time: LSTM and GRU solve the adding problem, a plain RNN "
     "does not.",
     "Two marked numbers among many steps to add; error on fresh samples. Hochreiter & Schmidhuber "
     "(1997).",
     "puts the plain RNN in the place of LSTM and GRU", adding_problem},
    {"attention", "S42", "Attention",
     "Attention forms weighted sums whose weights depend on the data, from every position to all "
     "others.",
     "Repeating symbols backwards with and without one attention layer; its weights over the data.",
     "leaves the attention out", attention},
    {"language_model", "S43 S47", "Language, and writing it",
     "A transformer learns a language and can write it: a generative model.",
     "A language with known entropy: bits a letter of a one-block transformer, and the pairs of "
     "letters in what it writes.",
     "writes letters by lot", language_model},
    {"autoencoder", "S46", "An autoencoder against PCA",
     "An autoencoder finds a code that is better than linear compression.",
     "A curve in eight dimensions through one number: an autoencoder's squared error against the "
     "first principal component's (Jacobi's rotations).",
     "leaves the activations out", autoencoder},
    {"five_tasks", "S48", "Five kinds of tasks",
     "The same neurons learn images, text, sound, time series and regression.",
     "One small net for each, trained for a moment, against answering blindly.",
     "sets the learning rates to 0", five_tasks},
};

}  // namespace

std::span<const Experiment> sequence_experiments() { return kExperiments; }

}  // namespace lab
