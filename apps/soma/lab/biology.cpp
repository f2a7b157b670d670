// S14..S17: what artificial neurons share with those of a brain, and what they do not.
#include <array>
#include <cmath>
#include <fstream>
#include <numeric>
#include <vector>

#include "experiment.hpp"
#include "plot.hpp"
#include "random.hpp"
#include "soma/dataset.hpp"
#include "soma/model.hpp"
#include "soma/neuron.hpp"
#include "soma/trainer.hpp"

namespace lab {
namespace {

Finding hebb(const Setting& setting) {
  constexpr std::size_t kInputs = 6;
  Random random(setting.seed, "lab.hebb");
  // Centred samples that vary most along one direction.
  std::array<double, kInputs> main{};
  double length = 0;
  for (double& v : main) v = random.normal(), length += v * v;
  for (double& v : main) v /= std::sqrt(length);
  const int count = 2000;
  std::vector<std::array<float, kInputs>> samples(count);
  std::array<double, kInputs * kInputs> covariance{};
  for (auto& sample : samples) {
    const double along = 2 * random.normal();
    for (std::size_t k = 0; k < kInputs; ++k)
      sample[k] = static_cast<float>(along * main[k] + 0.5 * random.normal());
    for (std::size_t i = 0; i < kInputs; ++i) {
      for (std::size_t j = 0; j < kInputs; ++j)
        covariance[i * kInputs + j] += double{sample[i]} * sample[j] / count;
    }
  }
  // The first principal component by the power method, in float64.
  std::array<double, kInputs> component;
  component.fill(1);
  for (int i = 0; i < 1000; ++i) {
    std::array<double, kInputs> next{};
    for (std::size_t r = 0; r < kInputs; ++r) {
      for (std::size_t c = 0; c < kInputs; ++c)
        next[r] += covariance[r * kInputs + c] * component[c];
    }
    const double norm = std::sqrt(std::inner_product(next.begin(), next.end(), next.begin(), 0.0));
    for (std::size_t k = 0; k < kInputs; ++k) component[k] = next[k] / norm;
  }
  soma::HebbUnit oja(kInputs, soma::HebbUnit::Rule::oja, setting.seed);
  soma::HebbUnit plain(kInputs, soma::HebbUnit::Rule::hebb, setting.seed);
  const auto cosine = [&](const soma::HebbUnit& unit) {
    double dot = 0;
    for (std::size_t k = 0; k < kInputs; ++k) dot += component[k] * unit.weights()[k];
    return std::abs(dot) / unit.length();
  };
  Points learning, growing;
  const int passes = setting.quick ? 3 : 10;
  for (int pass = 0; pass < passes; ++pass) {
    for (int i = 0; i < count; ++i) {
      if (i % 100 == 0) {
        const double at = pass * count + i;
        learning.emplace_back(at, cosine(oja));
        growing.emplace_back(at, plain.length());
      }
      const float rate = setting.sabotage ? 0.0f : 0.002f;
      oja.learn(samples[static_cast<std::size_t>(i)], rate);
      if (plain.length() < 1e6) plain.learn(samples[static_cast<std::size_t>(i)], rate);
    }
  }
  Finding found;
  const double angle = cosine(oja);
  found.holds = angle > 0.99 && std::abs(oja.length() - 1) < 0.1 && plain.length() > 100;
  found.measured =
      "Oja's unit, without a target, turned into the first principal component (cosine " +
      text_of(angle, 5) + ") and kept length " + text_of(oja.length()) +
      "; under Hebb's plain rule the weights grew to length " + text_of(plain.length()) + ".";
  found.figures = {{"cosine_with_first_component", angle},
                   {"length_oja", oja.length()},
                   {"length_hebb", plain.length()}};
  found.seeds = {setting.seed};
  found.picture =
      Plot("Oja's rule finds the main direction", "samples seen", "cosine with the first component")
          .line("", learning)
          .range_y(0, 1.05)
          .svg() +
      Plot("Hebb's rule alone grows without bound", "samples seen", "length of the weights")
          .log_y()
          .line("", growing)
          .svg();
  return found;
}

Finding spikes(const Setting& setting) {
  const soma::LeakyIntegrateAndFire neuron;
  // The rate neuron of the same parameters: a smooth curve of the current. The other way to read
  // the spikes is their times, which a constant output does not have.
  Points measured, analytic;
  double worst = 0;
  const double duration = setting.quick ? 2000 : 10000;
  for (double current = 0; current <= 6; current += 0.25) {
    const double rate = neuron.rate_hz(current, duration);
    double expected = neuron.analytic_rate_hz(current);
    if (setting.sabotage) expected *= 1.2;
    measured.emplace_back(current, rate);
    analytic.emplace_back(current, expected);
    if (expected > 0) worst = std::max(worst, std::abs(rate - expected) / expected);
  }
  soma::LeakyIntegrateAndFire cell;
  Points potential;
  double first_weak = -1, first_strong = -1;
  for (int step = 0; step < 1500; ++step) {
    const bool fired = cell.step(2.5);
    if (fired && first_weak < 0) first_weak = step * 0.1;
    potential.emplace_back(step * 0.1, fired ? 0 : cell.potential_mv());
  }
  cell.reset();
  for (int step = 0; step < 1500 && first_strong < 0; ++step) {
    if (cell.step(5)) first_strong = step * 0.1;
  }
  Finding found;
  found.holds = worst < 0.02 && neuron.rate_hz(1.5, duration) == 0 && first_strong > 0 &&
                first_strong < first_weak;
  found.measured = "The rate of spikes follows the formula to " + text_of(100 * worst) +
                   " % over all currents, is 0 below threshold, and the time of the first spike "
                   "carries the current as well: " +
                   text_of(first_weak) + " ms at 2.5 nA, " + text_of(first_strong) +
                   " ms at 5 nA. A rate neuron keeps the first and drops the second.";
  found.figures = {{"largest_relative_error", worst},
                   {"first_spike_ms_2.5nA", first_weak},
                   {"first_spike_ms_5nA", first_strong}};
  found.picture = Plot("Membrane potential at 2.5 nA", "time, ms", "potential, mV (0: a spike)")
                      .line("", potential)
                      .svg() +
                  Plot("From current to rate", "current, nA", "spikes per second")
                      .line("formula", analytic)
                      .dots("counted", measured)
                      .svg();
  return found;
}

Finding lesions(const Setting& setting) {
  const soma::DataSplit data = soma::data::load("glyphs", setting.seed);
  const auto train = data.train.head(setting.quick ? 2000 : 6000), test = data.test.head(1000);
  constexpr std::int64_t kHidden = 64;
  const auto fresh = [&] {
    soma::Model net(train.sample_shape(), "lesion");
    net.add(soma::Flatten{}).add(soma::Dense{.units = kHidden, .activation = "relu"}, "hidden");
    net.add(soma::Dense{.units = train.classes()}, "out");
    return net;
  };
  const soma::TrainerOptions options{.optimizer = soma::Adam{.learning_rate = 2e-3},
                                     .seed = setting.seed,
                                     .threads = setting.threads};
  Points damaged, retrained;
  double intact = 0, worst_idle_change = 0, after_lesion = 0, after_retraining = 0;
  Random random(setting.seed, "lab.lesion");
  std::vector<std::int64_t> order(kHidden);
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(i)))]);
  }
  for (const int percent : {0, 25, 50, 75, 90}) {
    soma::Model net = fresh();
    soma::Trainer trainer(net, setting.backend, options);
    trainer.fit(train, {.epochs = 2, .batch = 32});
    if (percent == 0) intact = trainer.evaluate(test).accuracy;
    // A dead neuron: nothing reads it any more.
    soma::Parameter& out = net.parameter("out.weight");
    for (std::int64_t k = 0; k < kHidden * percent / 100; ++k) {
      for (std::int64_t c = 0; c < train.classes(); ++c) {
        out.value.as<float>()[static_cast<std::size_t>(c * kHidden +
                                                       order[static_cast<std::size_t>(k)])] = 0;
      }
    }
    ++out.version;
    const double hurt = trainer.evaluate(test).accuracy;
    // Using it does not mend it.
    double idle = hurt;
    for (int use = 0; use < 3; ++use) idle = trainer.evaluate(test).accuracy;
    worst_idle_change = std::max(worst_idle_change, std::abs(idle - hurt));
    if (!setting.sabotage) trainer.fit(train, {.epochs = 3, .batch = 32});
    const double mended = trainer.evaluate(test).accuracy;
    damaged.emplace_back(percent, 100 * hurt);
    retrained.emplace_back(percent, 100 * mended);
    if (percent == 75) after_lesion = hurt, after_retraining = mended;
  }
  Finding found;
  found.holds = intact - after_lesion > 0.05 && worst_idle_change == 0 &&
                after_retraining - after_lesion > 0.5 * (intact - after_lesion);
  found.measured = "With 75 % of the hidden neurons cut off, right answers fell from " +
                   text_of(100 * intact) + " to " + text_of(100 * after_lesion) +
                   " %; using the net changed nothing (" + text_of(100 * worst_idle_change) +
                   " points); one more epoch of training brought them to " +
                   text_of(100 * after_retraining) + " %.";
  found.figures = {{"intact", intact},
                   {"after_lesion_75", after_lesion},
                   {"after_retraining_75", after_retraining},
                   {"change_by_use", worst_idle_change}};
  found.seeds = {setting.seed};
  found.picture =
      Plot("Cutting neurons off, and training on", "hidden neurons cut off, %", "right answers, %")
          .line("after the cut", damaged)
          .line("after one more epoch", retrained)
          .svg();
  return found;
}

/// Energy counter of the CPU package in joules, or a negative number.
double joules() {
  std::ifstream file("/sys/class/powercap/intel-rapl:0/energy_uj");
  double microjoules = -1e6;
  file >> microjoules;
  return file ? microjoules / 1e6 : -1;
}

Finding scale(const Setting& setting) {
  const double start = joules();
  struct Row {
    std::string name;
    double fan_in, parameters, macs;
  };
  std::vector<Row> rows;
  bool consistent = true;
  for (const std::string& name :
       {std::string("lenet5"), std::string("resnet20"), std::string("char-gpt")}) {
    soma::Model net = soma::Model::named(name);
    net.initialize(setting.seed);
    double neurons = 0, connections = 0, macs = 0, counted = 0;
    for (const auto& layer : net.layers()) macs += static_cast<double>(layer.macs);
    for (const auto& p : net.parameters()) {
      if (!p.trainable) continue;
      counted += static_cast<double>(p.value.elements());
      if (p.value.shape().rank() < 2) continue;
      const auto units = static_cast<double>(p.value.shape()[0]);
      neurons += units;
      connections += static_cast<double>(p.value.elements());
    }
    consistent &=
        counted == static_cast<double>(net.parameter_count()) + (setting.sabotage ? 1 : 0);
    rows.push_back({name, connections / neurons, counted, macs});
  }
  const double used = start < 0 ? -1 : joules() - start;
  constexpr double kSynapses = 7000, kNeurons = 86e9, kWatts = 20;
  Finding found;
  bool smaller = true;
  for (const Row& row : rows)
    smaller &= row.fan_in < kSynapses && row.parameters < kNeurons * kSynapses;
  found.holds = consistent && smaller;
  found.measured = "Mean fan-in of lenet5, resnet20 and char-gpt: " + text_of(rows[0].fan_in) +
                   ", " + text_of(rows[1].fan_in) + ", " + text_of(rows[2].fan_in) +
                   " against about 7,000 synapses of a neuron; the largest has " +
                   text_of(rows[0].parameters) + " weights against some " +
                   text_of(kNeurons * kSynapses, 2) + " synapses that run on " + text_of(kWatts) +
                   " W. " +
                   (used < 0 ? "This machine does not tell the energy it uses."
                             : "Counting took " + text_of(used) + " J.");
  for (const Row& row : rows) {
    found.figures.push_back({row.name + "_mean_fan_in", row.fan_in});
    found.figures.push_back({row.name + "_parameters", row.parameters});
    found.figures.push_back({row.name + "_macs", row.macs});
  }
  found.figures.push_back({"joules", used});
  Points fan_in;
  for (std::size_t i = 0; i < rows.size(); ++i)
    fan_in.emplace_back(static_cast<double>(i + 1), rows[i].fan_in);
  fan_in.emplace_back(4, kSynapses);
  found.picture = Plot("Inputs of one neuron", "", "mean fan-in")
                      .names_x({"lenet5", "resnet20", "char-gpt", "a cortical neuron"})
                      .log_y()
                      .bars("", fan_in)
                      .svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"hebb", "S14", "What fires together wires together",
     "Biological synapses strengthen with joint activity; by such a rule alone a neuron finds "
     "structure in its inputs.",
     "Oja's rule on centred samples against the first principal component by the power method; "
     "Hebb's plain rule beside it. "
     "Oja (1982).",
     "sets the learning rate to 0", hebb},
    {"spikes", "S15", "Spikes against numbers",
     "Neurons of a brain send spikes in time; artificial ones send numbers, a caricature that "
     "keeps the rate.",
     "A leaky integrate-and-fire neuron: counted rates against the analytic rate, and the time of "
     "the first spike.",
     "raises the formula's rate by a fifth", spikes},
    {"lesions", "S16", "No self-repair",
     "An artificial net does not repair itself: after damage it must be trained again.",
     "A net with 64 hidden neurons on the digits `glyphs`; a share of them is cut off, then it is "
     "used, then trained for one "
     "more epoch.",
     "leaves the retraining out", lesions},
    {"scale", "S17", "Numbers against a brain",
     "A cortical neuron has some 7,000 inputs, a brain 86 billion neurons on 20 W; artificial nets "
     "are far smaller.",
     "Mean fan-in, weights and multiply-adds of built-in models, counted; energy where the machine "
     "tells it.",
     "miscounts the parameters by one", scale},
};

}  // namespace

std::span<const Experiment> biology_experiments() { return kExperiments; }

}  // namespace lab
