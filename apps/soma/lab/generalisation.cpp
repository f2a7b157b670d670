// S74..S83: learning the pattern or learning by heart.
#include <algorithm>
#include <array>
#include <cmath>
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

/// curved_classes with a share of the targets turned round.
Task noisy(std::uint64_t seed, std::int64_t count, double wrong) {
  Task task = curved_classes(seed, count, 8);
  Random random(seed, "lab.noise");
  for (float& t : task.targets) {
    if (random.uniform() < wrong) t = 1 - t;
  }
  return task;
}

struct Losses {
  double train = 0, test = 0, accuracy = 0;
};

class Student {
 public:
  struct Options {
    std::int64_t width = 64;
    std::string activation = "relu";
    double dropout = 0, rate = 5e-3;
    soma::Regularization regularization = {};
  };
  Student(const Setting& setting, const Options& options, std::uint64_t seed)
      : net_(make(options)),
        trainer_(net_, setting.backend,
                 {.optimizer = soma::Adam{.learning_rate = options.rate},
                  .seed = seed,
                  .threads = 1,
                  .regularization = options.regularization}) {}

  double step(const Task& task) { return trainer_.step(task.x, task.targets); }
  Losses judge(const Task& train, const Task& test) {
    const auto [train_loss, ignored] = examine(train);
    const auto [test_loss, right] = examine(test);
    return {train_loss, test_loss, right};
  }
  soma::Model& net() { return net_; }
  soma::Trainer& trainer() { return trainer_; }

 private:
  static soma::Model make(const Options& o) {
    soma::Model net({8});
    net.add(soma::Dense{.units = o.width, .activation = o.activation}, "hidden");
    if (o.dropout > 0) net.add(soma::Dropout{.rate = o.dropout});
    net.add(soma::Dense{.units = 1}, "out").set_loss(soma::Loss::binary_cross_entropy_with_logits);
    return net;
  }
  std::pair<double, double> examine(const Task& task) {
    soma::Tensor x({task.count, task.inputs}), t({task.count, 1});
    std::ranges::copy(task.x, x.as<float>().begin());
    std::ranges::copy(task.targets, t.as<float>().begin());
    const auto result =
        trainer_.evaluate(soma::Dataset("task", std::move(x), std::move(t)), task.count);
    return {result.loss, result.accuracy};
  }
  soma::Model net_;
  soma::Trainer trainer_;
};

Finding overfitting(const Setting& setting) {
  const Task train = noisy(setting.seed, setting.sabotage ? 4000 : 80, 0.15),
             test = noisy(setting.seed + 500, 1000, 0.15);
  Student student(setting, {}, setting.seed);
  Points train_line, test_line;
  const int steps = setting.quick ? 500 : 1500;
  double best = 1e9;
  for (int step = 0; step <= steps; ++step) {
    if (step % 20 == 0) {
      const Losses l = student.judge(train, test);
      train_line.emplace_back(step, l.train);
      test_line.emplace_back(step, l.test);
      best = std::min(best, l.test);
    }
    student.step(train);
  }
  const double gap = test_line.back().second - train_line.back().second;
  Finding found;
  found.holds = gap > 0.5 && test_line.back().second > 1.5 * best;
  found.measured = "With 80 samples, 15 % of them mislabelled, the training loss fell to " +
                   text_of(train_line.back().second) +
                   " while the loss on fresh samples first fell to " + text_of(best) +
                   " and then rose to " + text_of(test_line.back().second) + ": a gap of " +
                   text_of(gap) + ".";
  found.figures = {
      {"gap", gap}, {"best_test_loss", best}, {"last_test_loss", test_line.back().second}};
  found.seeds = {setting.seed};
  found.picture = Plot("Training and fresh samples", "update", "loss")
                      .line("training", train_line)
                      .line("fresh", test_line)
                      .svg();
  return found;
}

Finding dropout(const Setting& setting) {
  // Co-adapted neurons fire together: mean absolute correlation of pairs over fresh samples.
  const int seeds = setting.quick ? 3 : 10;
  double with = 0, without = 0;
  Finding found;
  Points pairs;
  for (int s = 0; s < seeds; ++s) {
    const auto seed = setting.seed + static_cast<std::uint64_t>(s);
    found.seeds.push_back(seed);
    const Task train = noisy(seed, 200, 0.1), test = noisy(seed + 500, 500, 0);
    const auto correlation = [&](double rate) {
      Student student(setting, {.width = 24, .dropout = rate}, seed);
      for (int step = 0; step < (setting.quick ? 500 : 1500); ++step) student.step(train);
      const auto weights = student.net().parameter("out.weight").value.as<float>();
      const soma::Predictor predict(student.net(), setting.backend,
                                    {.max_batch = test.count, .concurrency = 1});
      Watch watch([](std::string_view name) { return name == "hidden.output"; });
      std::vector<float> y(static_cast<std::size_t>(test.count));
      const std::array<soma::TensorView, 1> inputs{test.x};
      const std::array<std::span<float>, 1> outputs{y};
      predict.observed_run(inputs, outputs, watch);
      // What a neuron contributes to the answer; how far others cancel or double it.
      const auto& h = watch.of("hidden.output");
      constexpr std::size_t kUnits = 24;
      const std::size_t n = h.size() / kUnits;
      std::array<double, kUnits> mean{}, deviation{};
      for (std::size_t i = 0; i < h.size(); ++i)
        mean[i % kUnits] += weights[i % kUnits] * h[i] / static_cast<double>(n);
      for (std::size_t i = 0; i < h.size(); ++i)
        deviation[i % kUnits] += std::pow(weights[i % kUnits] * h[i] - mean[i % kUnits], 2);
      double sum = 0, count = 0;
      for (std::size_t a = 0; a < kUnits; ++a) {
        for (std::size_t b = 0; b < a; ++b) {
          if (deviation[a] == 0 || deviation[b] == 0) continue;
          double c = 0;
          for (std::size_t i = 0; i < n; ++i)
            c += (weights[a] * h[i * kUnits + a] - mean[a]) *
                 (weights[b] * h[i * kUnits + b] - mean[b]);
          sum += std::min(0.0, c / std::sqrt(deviation[a] * deviation[b]));
          ++count;
        }
      }
      return -sum / count;  // how much neurons take back what others say
    };
    const double a = correlation(0), b = correlation(setting.sabotage ? 0 : 0.5);
    without += a / seeds;
    with += b / seeds;
    pairs.emplace_back(a, b);
  }
  found.holds = with < 0.9 * without;
  found.measured =
      "How much hidden neurons take back of what others contribute (mean negative correlation of "
      "contributions, fresh samples): " +
      text_of(without) + " without, " + text_of(with) + " with dropout 1/2, over " +
      std::to_string(seeds) + " seeds.";
  found.figures = {{"without", without}, {"with", with}};
  found.picture = Plot("Co-adaptation, one dot for each seed", "without dropout", "with dropout")
                      .dots("", pairs)
                      .svg();
  return found;
}

Finding penalties(const Setting& setting) {
  const Task train = noisy(setting.seed, 100, 0.1), test = noisy(setting.seed + 500, 1000, 0);
  struct Result {
    double tiny = 0, length = 0;
    Losses losses;
  };
  const auto run = [&](double l1, double l2) {
    Student::Options options;
    options.regularization.l1 = l1;
    options.regularization.l2 = l2;
    options.rate = 3e-3;
    Student student(setting, options, setting.seed);
    for (int step = 0; step < (setting.quick ? 1200 : 4000); ++step) student.step(train);
    Result r;
    const auto w = student.net().parameter("hidden.weight").value.as<float>();
    for (const float v : w) {
      r.tiny += (std::abs(v) < 5e-3) / static_cast<double>(w.size());
      r.length += double{v} * v;
    }
    r.length = std::sqrt(r.length);
    r.losses = student.judge(train, test);
    return r;
  };
  const Result none = run(0, 0), l1 = run(setting.sabotage ? 0 : 3e-3, 0),
               l2 = run(0, setting.sabotage ? 0 : 1e-2);
  Finding found;
  found.holds = l1.tiny > 0.4 && none.tiny < 0.1 && l2.length < 0.7 * none.length &&
                l2.tiny < l1.tiny && l1.losses.test < none.losses.test &&
                l2.losses.test < none.losses.test;
  found.measured =
      "Weights below 0.005: " + text_of(100 * none.tiny) + " % without a penalty, " +
      text_of(100 * l1.tiny) + " % with L1, " + text_of(100 * l2.tiny) +
      " % with L2; length of the weights " + text_of(none.length) + ", " + text_of(l1.length) +
      " and " + text_of(l2.length) + "; loss on fresh samples " + text_of(none.losses.test) + ", " +
      text_of(l1.losses.test) + " and " + text_of(l2.losses.test) +
      ". (Adam walks around zero in small steps: exact zeros would need a proximal step.)";
  found.figures = {{"tiny_none", none.tiny},    {"tiny_l1", l1.tiny},
                   {"tiny_l2", l2.tiny},        {"length_none", none.length},
                   {"length_l2", l2.length},    {"test_none", none.losses.test},
                   {"test_l1", l1.losses.test}, {"test_l2", l2.losses.test}};
  found.seeds = {setting.seed};
  return found;
}

Finding batch_norm(const Setting& setting) {
  // How far the inputs of the last hidden layer drift in mean and deviation while the net learns.
  const Task train = noisy(setting.seed, 256, 0);
  struct Drift {
    Points mean, deviation;
    double mean_range = 0, deviation_ratio = 1;
  };
  const auto run = [&](bool norm_layer) {
    soma::Model net({8});
    for (int i = 0; i < 3; ++i) {
      net.add(soma::Dense{.units = 16}, "fc" + std::to_string(i));
      if (norm_layer) net.add(soma::BatchNorm{}, "norm" + std::to_string(i));
      net.add(soma::Activation{.function = "relu"});
    }
    net.add(soma::Dense{.units = 1}, "out").set_loss(soma::Loss::binary_cross_entropy_with_logits);
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Adam{.learning_rate = 0.02}, .seed = setting.seed, .threads = 1});
    const std::string name = norm_layer ? "norm2.output" : "fc2.output";
    Drift drift;
    double low = 1e9, high = -1e9, low_deviation = 1e9, high_deviation = 0;
    for (int step = 0; step < 200; ++step) {
      Watch watch([&](std::string_view n) { return n == name; });
      watched_step(trainer, watch, train.x, train.targets);
      const auto& z = watch.of(name);
      double mean = 0, square = 0;
      for (const float v : z) mean += v / static_cast<double>(z.size());
      for (const float v : z) square += (v - mean) * (v - mean) / static_cast<double>(z.size());
      drift.mean.emplace_back(step, mean);
      drift.deviation.emplace_back(step, std::sqrt(square));
      low = std::min(low, mean), high = std::max(high, mean);
      low_deviation = std::min(low_deviation, std::sqrt(square)),
      high_deviation = std::max(high_deviation, std::sqrt(square));
    }
    drift.mean_range = high - low;
    drift.deviation_ratio = high_deviation / low_deviation;
    return drift;
  };
  const Drift plain = run(false), normed = run(!setting.sabotage);
  Finding found;
  found.holds = normed.mean_range < 0.4 * plain.mean_range &&
                normed.deviation_ratio < 0.4 * plain.deviation_ratio;
  found.measured = "Over 200 updates the inputs of the third activation moved in mean by " +
                   text_of(plain.mean_range) + " and their deviation changed by a factor of " +
                   text_of(plain.deviation_ratio) + "; behind batch norm by " +
                   text_of(normed.mean_range) + " and " + text_of(normed.deviation_ratio) + ".";
  found.figures = {{"mean_range_plain", plain.mean_range},
                   {"mean_range_normed", normed.mean_range},
                   {"deviation_ratio_plain", plain.deviation_ratio},
                   {"deviation_ratio_normed", normed.deviation_ratio}};
  found.seeds = {setting.seed};
  found.picture = Plot("Deviation of a layer's inputs", "update", "deviation")
                      .line("plain", plain.deviation)
                      .line("batch norm", normed.deviation)
                      .svg();
  return found;
}

Finding early_stopping(const Setting& setting) {
  const int seeds = setting.quick ? 4 : 12;
  int better = 0;
  double stopped = 0, ended = 0;
  Finding found;
  for (int s = 0; s < seeds; ++s) {
    const auto seed = setting.seed + static_cast<std::uint64_t>(s);
    found.seeds.push_back(seed);
    const Task train = noisy(seed, 80, 0.15), validation = noisy(seed + 300, 200, 0.15),
               test = noisy(seed + 500, 1000, 0.15);
    Student student(setting, {}, seed);
    double best = 1e9, at_best = 0;
    for (int step = 0; step <= 600; ++step) {
      if (step % 20 == 0) {
        const double now = student.judge(train, validation).test;
        if ((now < best) != setting.sabotage || step == 0)
          best = now, at_best = student.judge(train, test).test;
      }
      student.step(train);
    }
    const double at_end = student.judge(train, test).test;
    better += at_best < at_end;
    stopped += at_best / seeds;
    ended += at_end / seeds;
  }
  found.holds = better == seeds && stopped < 0.8 * ended;
  found.measured = "Loss on a test part: " + text_of(stopped) +
                   " where the loss on a validation part was least, " + text_of(ended) +
                   " after 600 updates; better in " + std::to_string(better) + " of " +
                   std::to_string(seeds) + " runs.";
  found.figures = {{"stopped", stopped}, {"ended", ended}, {"better", static_cast<double>(better)}};
  return found;
}

Finding noise_labels(const Setting& setting) {
  Task clean = noisy(setting.seed, 200, 0);
  Task random_task = clean;
  Random random(setting.seed, "lab.random_labels");
  if (!setting.sabotage) {
    for (float& t : random_task.targets) t = random.uniform() < 0.5 ? 0.0f : 1.0f;
  }
  const Task test = noisy(setting.seed + 500, 1000, 0);
  const auto run = [&](const Task& task) {
    Student student(setting, {.width = 128}, setting.seed);
    int needed = 0;
    Points line;
    for (int step = 0; step < 3000; ++step) {
      const double loss = student.step(task);
      if (step % 10 == 0) line.emplace_back(step, loss);
      if (loss < 0.05 && needed == 0) needed = step;
      if (needed > 0) break;
    }
    return std::tuple(needed == 0 ? 3000 : needed, student.judge(task, test).accuracy, line);
  };
  const auto [clean_steps, clean_accuracy, clean_line] = run(clean);
  const auto [noise_steps, noise_accuracy, noise_line] = run(random_task);
  Finding found;
  found.holds = noise_steps < 3000 && noise_steps > 1.3 * clean_steps && clean_accuracy > 0.8 &&
                noise_accuracy < 0.6;
  found.measured =
      "A net with 128 hidden neurons learned 200 true labels in " + std::to_string(clean_steps) +
      " updates and has " + text_of(100 * clean_accuracy) +
      " % right on fresh samples; 200 random labels it learned by heart in " +
      std::to_string(noise_steps) + ", and has " + text_of(100 * noise_accuracy) + " %.";
  found.figures = {{"updates_clean", static_cast<double>(clean_steps)},
                   {"updates_noise", static_cast<double>(noise_steps)},
                   {"accuracy_clean", clean_accuracy},
                   {"accuracy_noise", noise_accuracy}};
  found.seeds = {setting.seed};
  found.picture = Plot("True labels and random ones", "update", "training loss")
                      .log_y()
                      .line("true", clean_line)
                      .line("random", noise_line)
                      .svg();
  return found;
}

/// Share of hidden outputs that are exactly zero, and of those near it.
std::pair<double, double> quiet_share(const Setting& setting, const std::string& activation) {
  const Task train = noisy(setting.seed, 400, 0);
  Student student(setting, {.activation = activation}, setting.seed);
  for (int step = 0; step < 300; ++step) student.step(train);
  const soma::Predictor predict(student.net(), setting.backend,
                                {.max_batch = train.count, .concurrency = 1});
  Watch watch([](std::string_view name) { return name == "hidden.output"; });
  std::vector<float> y(static_cast<std::size_t>(train.count));
  const std::array<soma::TensorView, 1> inputs{train.x};
  const std::array<std::span<float>, 1> outputs{y};
  predict.observed_run(inputs, outputs, watch);
  const auto& h = watch.of("hidden.output");
  double zero = 0, near = 0;
  for (const float v : h) {
    zero += (v == 0) / static_cast<double>(h.size());
    near += (std::abs(v) < 0.01f) / static_cast<double>(h.size());
  }
  return {zero, near};
}

Finding sparse_and_dense(const Setting& setting) {
  const auto relu = quiet_share(setting, setting.sabotage ? "softplus" : "relu"),
             sigmoid = quiet_share(setting, "sigmoid"), tanh = quiet_share(setting, "tanh");
  Finding found;
  found.holds = relu.first > 0.3 && sigmoid.first == 0 && tanh.first < 0.01 &&
                sigmoid.second < 0.2 && tanh.second < 0.2;
  found.measured = "Exact zeros among the hidden outputs: " + text_of(100 * relu.first) +
                   " % with ReLU, " + text_of(100 * sigmoid.first) + " % with sigmoid, " +
                   text_of(100 * tanh.first) +
                   " % with tanh (below 0.01 in size: " + text_of(100 * sigmoid.second) + " and " +
                   text_of(100 * tanh.second) + " %).";
  found.figures = {
      {"relu_zero", relu.first}, {"sigmoid_zero", sigmoid.first}, {"tanh_zero", tanh.first}};
  found.seeds = {setting.seed};
  found.picture =
      Plot("Silent outputs", "activation of the hidden neurons", "%")
          .names_x({"ReLU", "sigmoid", "tanh"})
          .bars("", {{1, 100 * relu.first}, {2, 100 * sigmoid.first}, {3, 100 * tanh.first}})
          .svg();
  return found;
}

Finding sparse_generalises(const Setting& setting) {
  const int seeds = setting.quick ? 6 : 20;
  std::vector<double> differences;
  double relu = 0, tanh = 0;
  Finding found;
  for (int s = 0; s < seeds; ++s) {
    const auto seed = setting.seed + static_cast<std::uint64_t>(s);
    found.seeds.push_back(seed);
    const Task train = noisy(seed, 200, 0.1), test = noisy(seed + 500, 1000, 0);
    const auto accuracy = [&](const std::string& activation) {
      Student student(setting, {.activation = activation}, seed);
      for (int step = 0; step < (setting.quick ? 300 : 800); ++step) student.step(train);
      return student.judge(train, test).accuracy;
    };
    const double a = accuracy(setting.sabotage ? "step" : "relu"), b = accuracy("tanh");
    relu += a / seeds;
    tanh += b / seeds;
    differences.push_back(a - b);
  }
  const Interval gain = interval_95(differences);
  found.holds = gain.low() > 0;
  found.measured = "Right answers on fresh samples after training on noisy ones: ReLU (sparse) " +
                   text_of(100 * relu, 4) + " %, tanh (dense) " + text_of(100 * tanh, 4) +
                   " %; difference " + text_of(100 * gain.mean) + " points, 95 % interval " +
                   text_of(100 * gain.low()) + " to " + text_of(100 * gain.high()) + " over " +
                   std::to_string(seeds) + " paired seeds.";
  found.figures = {{"relu", relu},
                   {"tanh", tanh},
                   {"difference", gain.mean},
                   {"interval_low", gain.low()},
                   {"interval_high", gain.high()}};
  return found;
}

constexpr Experiment kExperiments[] = {
    {"overfitting", "S74", "Overfitting",
     "A net with enough capacity fits its training samples better and better while it gets worse "
     "on fresh ones.",
     "80 samples with 15 % wrong labels, 64 hidden neurons: loss on both over training.",
     "gives it 4,000 samples", overfitting},
    {"dropout", "S75", "Dropout against co-adaptation",
     "Dropout keeps neurons from relying on each other.",
     "Negative correlation between what hidden neurons contribute to the answer, on fresh samples, "
     "with and without dropout 1/2. Srivastava et al., JMLR 15 (2014).",
     "leaves the dropout out", dropout},
    {"penalties", "S76 S77", "L1 and L2",
     "An L1 penalty drives weights to zero, an L2 penalty keeps them small; both reduce "
     "overfitting.",
     "Share of tiny weights, length of the weights, and loss on fresh samples with each penalty.",
     "sets both penalties to 0", penalties},
    {"batch_norm", "S78", "Batch norm holds inputs still",
     "Batch normalisation keeps the distribution of a layer's inputs stable while the layers "
     "before it learn.",
     "Mean and deviation of the inputs of the third activation over 200 updates. Ioffe & Szegedy, "
     "arXiv:1502.03167.",
     "leaves the normalisation out", batch_norm},
    {"early_stopping", "S79", "Stopping early",
     "Stopping where a validation loss is least gives a better net than training to the end.",
     "Test loss at the least validation loss and at the end, several seeds.",
     "stops where the validation loss is largest", early_stopping},
    {"noise_labels", "S80", "By heart or by pattern",
     "A large net can memorise random labels; it takes longer, and nothing generalises.",
     "Updates until the training loss is below 0.05, and right answers on fresh samples, for true "
     "and random labels. Zhang et al., arXiv:1611.03530.",
     "leaves the labels true", noise_labels},
    {"sparse_and_dense", "S81 S82", "Sparse and dense activations",
     "ReLU neurons are silent most of the time, sigmoid and tanh neurons always say something.",
     "Exact zeros among the outputs of 64 trained hidden neurons.",
     "puts softplus in the place of ReLU", sparse_and_dense},
    {"sparse_generalises", "S83", "Is sparse better?",
     "Sparse activations generalise better, dense ones overfit.",
     "ReLU against tanh on noisy samples, paired seeds, Student's 95 % interval of the difference "
     "on fresh samples; it holds if the interval lies above 0.",
     "gives the sparse side a step, which hardly learns", sparse_generalises},
};

}  // namespace

std::span<const Experiment> generalisation_experiments() { return kExperiments; }

}  // namespace lab
