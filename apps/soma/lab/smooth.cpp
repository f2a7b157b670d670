// S11..S13: smooth neurons, why thresholds do not learn by gradients, and the roles of neurons.
#include <array>
#include <cmath>
#include <string>
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

struct Coins {
  std::vector<float> x, targets;
  std::vector<double> truth;  // the probability of 1
};

/// Samples whose class is drawn with the probability that a logistic model gives.
Coins draw(Random& random, int count) {
  Coins data;
  for (int i = 0; i < count; ++i) {
    const auto x = random.normals(2);
    const double p = 1 / (1 + std::exp(-(1.5 * x[0] - 1.0 * x[1] + 0.5)));
    data.x.insert(data.x.end(), x.begin(), x.end());
    data.truth.push_back(p);
    data.targets.push_back(random.uniform() < p ? 1.0f : 0.0f);
  }
  return data;
}

Finding probability(const Setting& setting) {
  Random random(setting.seed, "lab.sigmoid");
  const int count = setting.quick ? 4000 : 20000;
  const Coins train = draw(random, count), test = draw(random, count);
  soma::SigmoidNeuron unit(2);
  const double error = unit.fit(train.x, train.targets, 1.0f, setting.quick ? 200 : 600);

  constexpr int kBins = 10;
  std::array<double, kBins> said{}, happened{}, number{};
  double off = 0;
  for (std::size_t i = 0; i < test.targets.size(); ++i) {
    double p = unit.probability(std::span(&test.x[2 * i], 2));
    if (setting.sabotage) p = p > 0.5 ? 1 : 0;  // a hard decision instead of a probability
    off += std::abs(p - test.truth[i]) / static_cast<double>(test.targets.size());
    const auto bin = static_cast<std::size_t>(std::min(kBins - 1.0, p * kBins));
    said[bin] += p;
    happened[bin] += test.targets[i];
    ++number[bin];
  }
  double calibration = 0;
  Points curve;
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    if (number[bin] == 0) continue;
    calibration += std::abs(said[bin] - happened[bin]) / static_cast<double>(test.targets.size());
    curve.emplace_back(said[bin] / number[bin], happened[bin] / number[bin]);
  }
  // A slope everywhere: the derivative against central differences.
  double steepest_error = 0;
  bool slope_everywhere = true;
  for (double z = -8; z <= 8; z += 0.25) {
    const auto at = [](double v) {
      const auto x = static_cast<float>(v);
      return double{soma::Neuron({1}, 0, "sigmoid").forward(std::span(&x, 1))};
    };
    const std::array x{static_cast<float>(z)}, one{1.0f};
    soma::NeuronGradients gradients;
    soma::Neuron({1}, 0, "sigmoid").backward(x, one, gradients);
    slope_everywhere &= gradients.inputs[0] > 0;
    steepest_error = std::max(steepest_error,
                              std::abs((at(z + 0.01) - at(z - 0.01)) / 0.02 - gradients.inputs[0]));
  }
  Finding found;
  found.holds = calibration < 0.03 && off < 0.03 && slope_everywhere && steepest_error < 1e-4;
  found.measured = "After logistic regression on " + text_of(count) +
                   " samples the neuron's answers are off the true "
                   "probabilities by " +
                   text_of(off) + " on average, and off the frequencies of what happened by " +
                   text_of(calibration) + " (expected calibration error, ten bins; cross-entropy " +
                   text_of(error) + "). Its slope is positive everywhere in [-8, 8].";
  found.figures = {{"calibration_error", calibration},
                   {"mean_error_of_probability", off},
                   {"derivative_error", steepest_error}};
  found.seeds = {setting.seed};
  found.picture = Plot("When the neuron says p, it happens with frequency p",
                       "what the neuron says", "how often it is so")
                      .line("perfect", {{0, 0}, {1, 1}})
                      .dots("measured", curve)
                      .svg();
  return found;
}

struct Trained {
  double first_gradient = 0, loss_before = 0, loss_after = 0, accuracy = 0, moved = 0;
};

/// A net 2-8-1 on two classes of points in a ring and inside it.
Trained train_with(const Setting& setting, const std::string& activation, std::uint64_t seed) {
  Random random(seed, "lab.ring");
  std::vector<float> x, targets;
  for (int i = 0; i < 256; ++i) {
    const double angle = random.uniform(0, 6.2831853),
                 radius = i % 2 ? random.uniform(0.0, 0.6) : random.uniform(1.0, 1.5);
    x.push_back(static_cast<float>(radius * std::cos(angle)));
    x.push_back(static_cast<float>(radius * std::sin(angle)));
    targets.push_back(static_cast<float>(i % 2));
  }
  soma::Model net({2}, "ring");
  net.add(soma::Dense{.units = 8, .activation = activation}, "hidden")
      .add(soma::Dense{.units = 1}, "out");
  net.set_loss(soma::Loss::binary_cross_entropy_with_logits);
  net.initialize(seed);
  const auto weights = net.parameter("hidden.weight").value.clone();
  // Plain gradient descent: what moved a weight is its gradient.
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Sgd{.learning_rate = 0.5}, .seed = seed, .threads = 1});
  Trained result;
  result.loss_before = trainer.step(x, targets);
  const auto distance = [&] {
    double sum = 0;
    const auto now = net.parameter("hidden.weight").value.as<float>();
    for (std::size_t k = 0; k < now.size(); ++k)
      sum += std::pow(double{now[k]} - weights.as<float>()[k], 2);
    return std::sqrt(sum);
  };
  result.first_gradient = distance() / 0.5;
  for (int step = 1; step < 600; ++step) result.loss_after = trainer.step(x, targets);
  result.moved = distance();
  const soma::Predictor predict(net, setting.backend, {.max_batch = 256, .concurrency = 1});
  std::vector<float> answers(256);
  predict.run(std::span<const float>(x), answers);
  for (std::size_t i = 0; i < answers.size(); ++i)
    result.accuracy += ((answers[i] > 0.5f) == (targets[i] > 0.5f)) / 256.0;
  return result;
}

Finding threshold_blocks(const Setting& setting) {
  const Trained step =
      train_with(setting, setting.sabotage ? "hard_sigmoid" : "step", setting.seed);
  const Trained sigmoid = train_with(setting, "sigmoid", setting.seed);
  const Trained tanh = train_with(setting, "tanh", setting.seed);
  Finding found;
  found.holds = step.first_gradient == 0 && step.moved == 0 && sigmoid.first_gradient > 0 &&
                tanh.first_gradient > 0 && sigmoid.accuracy > 0.95 && tanh.accuracy > 0.95;
  found.measured = "Hidden weights behind a step got a gradient of norm " +
                   text_of(step.first_gradient) + " and moved by " + text_of(step.moved) +
                   " in 600 updates (" + text_of(100 * step.accuracy) +
                   " % right, through the last layer alone); behind a sigmoid " +
                   text_of(sigmoid.first_gradient) + " and " + text_of(100 * sigmoid.accuracy) +
                   " % right, behind tanh " + text_of(tanh.first_gradient) + " and " +
                   text_of(100 * tanh.accuracy) + " %.";
  found.figures = {
      {"step_gradient", step.first_gradient}, {"step_moved", step.moved},
      {"step_accuracy", step.accuracy},       {"sigmoid_gradient", sigmoid.first_gradient},
      {"sigmoid_accuracy", sigmoid.accuracy}, {"tanh_gradient", tanh.first_gradient},
      {"tanh_accuracy", tanh.accuracy}};
  found.seeds = {setting.seed};
  found.picture =
      Plot("Gradient of the hidden weights at the first update", "activation of the hidden neurons",
           "norm")
          .names_x({"step", "sigmoid", "tanh"})
          .bars("",
                {{1, step.first_gradient}, {2, sigmoid.first_gradient}, {3, tanh.first_gradient}})
          .svg();
  return found;
}

Finding roles(const Setting& setting) {
  soma::Model net = soma::Model::named("lenet5");
  net.initialize(setting.seed);
  // Input neurons: numbers given from outside. Output neurons: what nobody in the net reads.
  // Hidden ones: all between. Told from the wiring alone.
  std::int64_t inputs = 0, hidden = 0, outputs = 0;
  for (const auto& input : net.inputs()) inputs += input.shape.elements();
  const auto layers = net.layers();
  std::string table;
  for (const auto& layer : layers) {
    if (layer.parameters == 0) continue;
    bool read = setting.sabotage;
    for (const auto& other : layers) {
      for (const std::string& name : other.inputs) read |= name == layer.name;
    }
    (read ? hidden : outputs) += layer.output.elements();
    table += "<tr><td>" + layer.name + "</td><td>" + (read ? "hidden" : "output") +
             "</td><td class=\"n\">" + text_of(static_cast<double>(layer.output.elements())) +
             "</td></tr>";
  }
  Finding found;
  found.holds = inputs == 28 * 28 && outputs == net.output_shape().elements() && hidden > 0;
  found.measured = "lenet5 has " + text_of(static_cast<double>(inputs)) + " input, " +
                   text_of(static_cast<double>(hidden)) + " hidden and " +
                   text_of(static_cast<double>(outputs)) + " output neurons, told from its wiring.";
  found.figures = {{"input", static_cast<double>(inputs)},
                   {"hidden", static_cast<double>(hidden)},
                   {"output", static_cast<double>(outputs)}};
  found.picture =
      "<table><tr><th>layer</th><th>role</th><th "
      "class=\"n\">neurons</th></tr><tr><td>input</td><td>input</td>"
      "<td class=\"n\">784</td></tr>" +
      table + "</table>";
  return found;
}

constexpr Experiment kExperiments[] = {
    {"sigmoid_neuron", "S11", "A neuron that says how sure it is",
     "A sigmoid neuron is differentiable everywhere, and its output reads as a probability.",
     "Logistic regression on classes drawn with known probabilities: error of the probabilities "
     "and expected calibration error "
     "on fresh samples; derivative against central differences.",
     "lets it decide instead of saying how sure it is", probability},
    {"threshold_blocks", "S12", "Why a hard threshold does not learn",
     "A hard threshold blocks backpropagation; smooth activations let the gradient through.",
     "Nets 2-8-1 with a step, a sigmoid and tanh on a ring and its inside, by plain gradient "
     "descent: gradient of the hidden "
     "weights, how far they moved, right answers.",
     "puts a hard sigmoid, which has a slope, in the place of the step", threshold_blocks},
    {"roles", "S13", "Input, hidden and output neurons",
     "Input neurons take the data in, output neurons give the answer, hidden ones stand between.",
     "The neurons of lenet5, counted by who reads them.", "takes every layer as read by another",
     roles},
};

}  // namespace

std::span<const Experiment> smooth_experiments() { return kExperiments; }

}  // namespace lab
