#include <gtest/gtest.h>

#include <cmath>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

constexpr std::int64_t kSteps = 5, kInputs = 3, kClasses = 3;

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

void set(Model& net, const std::string& name, const std::vector<float>& values) {
  Parameter& p = net.parameter(name);
  ASSERT_EQ(p.value.as<float>().size(), values.size()) << name;
  std::ranges::copy(values, p.value.as<float>().begin());
  ++p.version;
}

/// A layer of one unit on one step of one input, with the states before it from dense layers of
/// fixed output; everything but the given parameters is zero.
template <class Spec>
Model one_unit(const Spec& spec, const std::vector<float>& states) {
  Model net({1, 1}, "one_unit");
  std::vector<std::string> inputs{"input"};
  for (std::size_t i = 0; i < states.size(); ++i) {
    inputs.push_back("state" + std::to_string(i));
    net.add(Dense{.units = 1}, inputs.back(), {"input"});
  }
  net.add(spec, "cell", inputs);
  net.initialize(1);
  for (Parameter& p : net.parameters()) std::ranges::fill(p.value.as<float>(), 0.0f);
  for (std::size_t i = 0; i < states.size(); ++i) {
    set(net, "state" + std::to_string(i) + ".bias", {states[i]});
  }
  return net;
}

float output_for_one(const Model& net) {
  const float one = 1;
  float y = 0;
  Predictor(net, exact("reference"), {.probabilities = false}).run({&one, 1}, {&y, 1});
  return y;
}

const float kLn3 = std::log(3.0f);  // sigmoid(ln 3) = 3/4

TEST(Recurrent, GatesOfAnLstmAreInputForgetCellOutput) {
  Model net = one_unit(Lstm{.units = 1}, {0.5f, 2.0f});
  set(net, "cell.l0.w", {kLn3, -kLn3, std::atanh(0.5f), 2 * kLn3});
  // i = 3/4, f = 1/4, g = 1/2, o = 9/10: c = 1/4 * 2 + 3/4 * 1/2
  EXPECT_NEAR(output_for_one(net), 0.9 * std::tanh(0.875), 1e-6);
  // All gates see h0 = 1/2 through u.
  set(net, "cell.l0.w", {0, 0, 0, 0});
  set(net, "cell.l0.u", {2 * kLn3, -2 * kLn3, 2 * std::atanh(0.5f), 4 * kLn3});
  EXPECT_NEAR(output_for_one(net), 0.9 * std::tanh(0.875), 1e-6);
}

TEST(Recurrent, AGruResetsAfterTheProduct) {
  Model net = one_unit(Gru{.units = 1}, {0.5f});
  set(net, "cell.l0.w", {-kLn3, kLn3, -0.5f});
  set(net, "cell.l0.u", {0, 0, 2});
  set(net, "cell.l0.bias_u", {1});
  // r = 1/4, z = 3/4: n = tanh(-1/2 + r (2 * 1/2 + 1)), where a reset before the product would
  // give tanh(-1/2 + 2 * r/2 + 1).
  EXPECT_NEAR(output_for_one(net), 0.75 * 0.5 + 0.25 * std::tanh(0.0), 1e-6);
  set(net, "cell.l0.bias", {0, 0, 0.25f});
  EXPECT_NEAR(output_for_one(net), 0.75 * 0.5 + 0.25 * std::tanh(0.25), 1e-6);
}

TEST(Recurrent, AnRnnAddsItsBiasToInputAndState) {
  for (const char* activation : {"tanh", "relu"}) {
    Model net = one_unit(Rnn{.units = 1, .activation = activation}, {0.5f});
    set(net, "cell.l0.w", {0.25f});
    set(net, "cell.l0.u", {-2});
    set(net, "cell.l0.bias", {1});
    const double a = 0.25 - 2 * 0.5 + 1;
    EXPECT_NEAR(output_for_one(net), std::string(activation) == "tanh" ? std::tanh(a) : a, 1e-6);
  }
}

TEST(Recurrent, OnlyTheForgetGateOfANewLstmStartsOpen) {
  Model net({kSteps, kInputs});
  net.add(Lstm{.units = 2, .layers = 2, .forget_bias = 1.5}, "lstm");
  net.initialize(1);
  const std::vector<float> expected{0, 0, 1.5f, 1.5f, 0, 0, 0, 0};
  for (const char* name : {"lstm.l0.bias", "lstm.l1.bias"}) {
    EXPECT_TRUE(std::ranges::equal(net.parameter(name).value.as<float>(), expected)) << name;
  }
}

/// The layer's own text, as in a book: float64, one sample, no blocks of sums.
std::vector<double> lstm_by_the_book(Model& net, const std::string& layer,
                                     const std::vector<double>& x, std::size_t steps) {
  const auto doubles = [&](const std::string& name) {
    const auto values = net.parameter(layer + name).value.as<float>();
    return std::vector<double>(values.begin(), values.end());
  };
  const std::vector<double> w = doubles("w"), u = doubles("u"), bias = doubles("bias");
  const std::size_t units = bias.size() / 4, inputs = x.size() / steps;
  const auto sigmoid = [](double a) { return 1 / (1 + std::exp(-a)); };
  std::vector<double> h(units, 0.0), c(units, 0.0), all;
  for (std::size_t t = 0; t < steps; ++t) {
    std::vector<double> a = bias;
    for (std::size_t g = 0; g < a.size(); ++g) {
      for (std::size_t i = 0; i < inputs; ++i) a[g] += w[g * inputs + i] * x[t * inputs + i];
      for (std::size_t k = 0; k < units; ++k) a[g] += u[g * units + k] * h[k];
    }
    for (std::size_t j = 0; j < units; ++j) {
      c[j] = sigmoid(a[units + j]) * c[j] + sigmoid(a[j]) * std::tanh(a[2 * units + j]);
      h[j] = sigmoid(a[3 * units + j]) * std::tanh(c[j]);
    }
    all.insert(all.end(), h.begin(), h.end());
  }
  return all;
}

TEST(Recurrent, AStackedLstmIsTheUnrolledFormula) {
  Model net({kSteps, kInputs});
  net.add(Lstm{.units = 37, .layers = 2}, "lstm");
  net.initialize(3);
  const PhiloxStream stream(5, "x");
  std::vector<float> x(kSteps * kInputs), y(kSteps * 37);
  for (std::uint32_t i = 0; i < x.size(); ++i) x[i] = 4 * stream.uniform(0, i) - 2;
  std::vector<double> expected(x.begin(), x.end());
  for (const char* layer : {"lstm.l0.", "lstm.l1."}) {
    expected = lstm_by_the_book(net, layer, expected, kSteps);
  }
  for (const std::string& name : backend_names()) {
    Predictor(net, backend(name), {.probabilities = false}).run(x, y);
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 2e-6) << name;
  }
}

std::vector<float> outputs_for(const Model& net, const std::vector<float>& x) {
  const Predictor predictor(net, exact("reference"), {.probabilities = false});
  std::vector<float> y(static_cast<std::size_t>(predictor.output_size()));
  predictor.run(x, y);
  return y;
}

TEST(Recurrent, TheSecondDirectionReadsFromTheEndAndComesSecond) {
  constexpr std::size_t kUnits = 2;
  Model both({kSteps, kInputs}), last({kSteps, kInputs}), forward({kSteps, kInputs});
  both.add(Gru{.units = kUnits, .bidirectional = true}, "g");
  last.add(Gru{.units = kUnits, .bidirectional = true, .return_sequences = false}, "g");
  forward.add(Gru{.units = kUnits}, "g");
  for (Model* net : {&both, &last, &forward}) net->initialize(4);
  std::vector<float> x(kSteps * kInputs), turned(x.size());
  for (std::uint32_t i = 0; i < x.size(); ++i) x[i] = 2 * PhiloxStream(5, "x").uniform(0, i) - 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    turned[i] = x[(kSteps - 1 - i / kInputs) * kInputs + i % kInputs];
  }
  const std::vector<float> h = outputs_for(both, x), ends = outputs_for(last, x);
  const std::vector<float> first = outputs_for(forward, x);
  // The same weights, forwards over the sequence turned around.
  for (const char* name : {"w", "u", "bias", "bias_u"}) {
    const auto values = both.parameter(std::string("g.l0_reverse.") + name).value.as<float>();
    set(forward, std::string("g.l0.") + name, {values.begin(), values.end()});
  }
  const std::vector<float> second = outputs_for(forward, turned);
  for (std::size_t t = 0; t < kSteps; ++t) {
    for (std::size_t j = 0; j < kUnits; ++j) {
      EXPECT_EQ(h[t * 2 * kUnits + j], first[t * kUnits + j]) << t;
      EXPECT_EQ(h[t * 2 * kUnits + kUnits + j], second[(kSteps - 1 - t) * kUnits + j]) << t;
    }
  }
  for (std::size_t j = 0; j < kUnits; ++j) {
    EXPECT_EQ(ends[j], first[(kSteps - 1) * kUnits + j]);
    EXPECT_EQ(ends[kUnits + j], second[(kSteps - 1) * kUnits + j]);
  }
}

TEST(Recurrent, ModelFilesKeepEveryField) {
  Model net({kSteps, kInputs});
  net.add(Lstm{.units = 2, .layers = 3, .bidirectional = true, .dropout = 0.5, .forget_bias = 2},
          "lstm");
  net.add(Gru{.units = 2, .layers = 2, .dropout = 1}, "gru");
  net.add(Rnn{.units = 2, .return_sequences = false, .activation = "relu"}, "rnn");
  const std::string text = net.to_json();
  const Model again = Model::from_json(text);
  EXPECT_EQ(again.to_json(), text);
  EXPECT_EQ(again.output_shape(), (Shape{2}));
  EXPECT_EQ(again.parameter_count(), net.parameter_count());
  EXPECT_NE(text.find("\"bidirectional\":true"), std::string::npos) << text;
}

struct Batch {
  std::vector<float> inputs;
  std::vector<std::int32_t> labels;
};

Batch make_batch(std::uint32_t n) {
  const PhiloxStream stream(11, "sequences");
  Batch batch;
  for (std::uint32_t i = 0; i < n * kSteps * kInputs; ++i) {
    batch.inputs.push_back(2 * stream.uniform(0, i) - 1);
  }
  for (std::uint32_t i = 0; i < n; ++i) {
    batch.labels.push_back(static_cast<std::int32_t>(stream.bits(1, i) % kClasses));
  }
  return batch;
}

Dataset make_data(std::uint32_t n) {
  const Batch batch = make_batch(n);
  Tensor inputs({n, kSteps, kInputs});
  std::ranges::copy(batch.inputs, inputs.as<float>().begin());
  return Dataset("sequences", std::move(inputs), batch.labels, {"a", "b", "c"});
}

/// Every recurrent layer, one of each with its initial state from the input, so that every gradient
/// that an op returns reaches a parameter.
Model every_recurrent_layer(double dropout) {
  Model net({kSteps, kInputs}, "every_recurrent_layer");
  net.add(Dense{.units = 4, .activation = "tanh"}, "h0");
  net.add(Dense{.units = 4}, "c0", {"input"});
  net.add(Lstm{.units = 4}, "lstm", {"input", "h0", "c0"});
  net.add(Gru{.units = 4}, "gru", {"lstm", "h0"});
  net.add(Rnn{.units = 4}, "rnn", {"gru", "c0"});
  net.add(Lstm{.units = 3,
               .layers = 2,
               .bidirectional = true,
               .return_sequences = false,
               .dropout = dropout},
          "stacked");
  net.add(Dense{.units = kClasses}, "out");
  return net;
}

TEST(Recurrent, GradientsOfAWholeNetworkAgreeWithDifferences) {
  const Batch batch = make_batch(4);
  Model net = every_recurrent_layer(0);
  net.initialize(3);
  std::vector<std::vector<float>> before;
  for (const Parameter& p : net.parameters()) {
    before.emplace_back(p.value.as<float>().begin(), p.value.as<float>().end());
  }
  const auto loss = [&](double rate) {
    Trainer trainer(net, exact("reference"), {.optimizer = Sgd{.learning_rate = rate}});
    return trainer.step(batch.inputs, batch.labels);
  };
  const auto restore = [&] {
    for (std::size_t i = 0; i < before.size(); ++i) {
      std::ranges::copy(before[i], net.parameters()[i].value.as<float>().begin());
      ++net.parameters()[i].version;
    }
  };
  loss(1.0);
  std::vector<std::vector<double>> gradient;
  for (std::size_t i = 0; i < before.size(); ++i) {
    auto& g = gradient.emplace_back();
    const auto after = net.parameters()[i].value.as<float>();
    for (std::size_t k = 0; k < after.size(); ++k) g.push_back(double{before[i][k]} - after[k]);
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    double largest = 0;
    for (const double g : gradient[i]) largest = std::max(largest, std::abs(g));
    EXPECT_GT(largest, 1e-5) << net.parameters()[i].name;
    for (std::size_t k = 0; k < before[i].size(); k += 3) {
      const auto moved = [&](float by) {
        restore();
        net.parameters()[i].value.as<float>()[k] += by;
        return loss(0.0);
      };
      constexpr float kStep = 1.0f / 64;
      const double slope =
          (8 * (moved(kStep) - moved(-kStep)) - (moved(2 * kStep) - moved(-2 * kStep))) /
          (12 * kStep);
      EXPECT_NEAR(gradient[i][k], slope, 2e-5) << net.parameters()[i].name << "[" << k << "]";
    }
  }
}

std::string hash_after_twenty_steps(const std::string& name, int threads) {
  Model net = every_recurrent_layer(0.25);
  Trainer trainer(net, exact(name),
                  {.optimizer = Adam{.learning_rate = 0.01}, .seed = 9, .threads = threads});
  trainer.fit(make_data(50), {.epochs = 5, .batch = 16});
  EXPECT_EQ(trainer.progress().step, 20);
  return net.weights_sha256();
}

TEST(Recurrent, EveryBackendAndThreadCountGivesTheSameWeights) {
  const std::string expected = hash_after_twenty_steps("reference", 1);
  for (const std::string& name : backend_names()) {
    for (const int threads : {1, 2, 3, 8}) {
      EXPECT_EQ(hash_after_twenty_steps(name, threads), expected)
          << name << ", " << threads << " threads";
    }
  }
}

TEST(RecurrentErrors, StatesThatDoNotFitAreNamed) {
  const auto message_of = [](auto&& add) -> std::string {
    Model net({kSteps, kInputs});
    net.add(Dense{.units = 4}, "four");
    try {
      add(net);
    } catch (const ShapeError& e) {
      return e.what();
    }
    return "nothing was thrown";
  };
  EXPECT_NE(message_of([](Model& net) {
              net.add(Lstm{.units = 4}, "l", {"input", "four"});
            }).find("expected one input, or 3 with the initial state, got 2"),
            std::string::npos);
  EXPECT_NE(message_of([](Model& net) {
              net.add(Gru{.units = 5}, "g", {"input", "four"});
            }).find("expected an initial state [1,5], got [1,4]"),
            std::string::npos);
  EXPECT_NE(message_of([](Model& net) {
              net.add(Gru{.units = 4}, "g", {"four"});
            }).find("expected a sequence [N,T,I], got [1,4]"),
            std::string::npos);
  EXPECT_NE(message_of([](Model& net) {
              net.add(Rnn{.units = 4, .activation = "sigmoid"}, "r", {"input"});
            }).find("expected tanh or relu, got 'sigmoid'"),
            std::string::npos);
  EXPECT_NE(message_of([](Model& net) {
              net.add(Gru{.units = 4, .bidirectional = true}, "g", {"input", "four"});
            }).find("an initial state can be given to a single layer in one direction only"),
            std::string::npos);
  EXPECT_NE(message_of([](Model& net) {
              net.add(Gru{.units = 4, .layers = 2, .dropout = 2}, "g", {"input"});
            }).find("dropout: expected a number from 0 to 1, got 2"),
            std::string::npos);
}

}  // namespace
}  // namespace soma
