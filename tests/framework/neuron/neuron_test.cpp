// A neuron by itself and as the one unit of a layer: the same bits.
#include "soma/neuron.hpp"

#include <gtest/gtest.h>

#include <array>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

std::vector<float> numbers(std::size_t n, const char* path) {
  const PhiloxStream stream(6, path);
  std::vector<float> values(n);
  for (std::uint32_t i = 0; i < n; ++i) values[i] = 2 * stream.uniform(0, i) - 1;
  return values;
}

struct Case {
  std::int64_t inputs;
  std::string activation;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.inputs << " " << c.activation; }

class NeuronAndDense : public testing::TestWithParam<Case> {};

TEST_P(NeuronAndDense, GiveTheSameBitsOnEveryBackend) {
  const auto& [inputs, activation] = GetParam();
  Model layer({inputs}, "one");
  layer.add(Dense{.units = 1, .activation = activation}, "fc").set_loss(Loss::mean_squared_error);
  layer.initialize(12);
  layer.parameter("fc.bias").value.as<float>()[0] = 0.375f;
  Neuron neuron = Neuron::drawn(inputs, activation, 12, "fc.weight");
  neuron.set_bias(0.375f);
  constexpr std::size_t n = 19;
  const auto x = numbers(n * static_cast<std::size_t>(inputs), "x");
  const auto targets = numbers(n, "targets");
  std::vector<float> alone(n), together(n);
  neuron.forward(x, alone);

  // One step of SGD on the mean squared error: grad_y = (y - t) * (2 / n).
  std::vector<float> grad_y(n);
  for (std::size_t i = 0; i < n; ++i) grad_y[i] = (alone[i] - targets[i]) * (2.0f / n);
  NeuronGradients gradients;
  Neuron taught = neuron;
  taught.backward(x, grad_y, gradients);
  taught.update(gradients, 0.125f);

  for (const std::string& name : backend_names()) {
    const Backend b = backend(name, {.numerics = Numerics::exact});
    Predictor(layer, b, {.max_batch = n}).run(x, together);
    EXPECT_EQ(together, alone) << name;
    Model pupil({inputs}, "one");
    pupil.add(Dense{.units = 1, .activation = activation}, "fc").set_loss(Loss::mean_squared_error);
    pupil.initialize(12);
    pupil.parameter("fc.bias").value.as<float>()[0] = 0.375f;
    Trainer(pupil, b, {.optimizer = Sgd{.learning_rate = 0.125}}).step(x, targets);
    EXPECT_TRUE(
        std::ranges::equal(pupil.parameter("fc.weight").value.as<float>(), taught.weights()))
        << name;
    EXPECT_EQ(pupil.parameter("fc.bias").value.as<float>()[0], taught.bias()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, NeuronAndDense,
                         testing::Values(Case{1, ""}, Case{3, "relu"}, Case{17, "sigmoid"},
                                         Case{512, "tanh"}, Case{513, ""}, Case{1500, "sigmoid"}));

TEST(Neuron, GivesTheGradientOfItsInputs) {
  const Neuron neuron({0.5f, -2, 1}, 0.25f, "tanh");
  const std::array<float, 3> x = {0.25f, 0.5f, 1};
  NeuronGradients gradients;
  neuron.backward(x, std::array<float, 1>{1}, gradients);
  for (std::size_t k = 0; k < 3; ++k) {
    const auto moved = [&](float by) {
      auto other = x;
      other[k] += by;
      return double{neuron.forward(other)};
    };
    EXPECT_NEAR(gradients.inputs[k], (moved(1.0f / 512) - moved(-1.0f / 512)) * 256, 1e-3);
  }
}

TEST(Neuron, ComputesByHand) {
  const Neuron neuron({2, -3}, 1, "relu");
  EXPECT_EQ(neuron.pre_activation(std::array<float, 2>{1, 2}), -3);
  EXPECT_EQ(neuron.forward(std::array<float, 2>{1, 2}), 0);
  EXPECT_EQ(neuron.forward(std::array<float, 2>{2, 1}), 2);
  EXPECT_EQ(Neuron({2, -3}, 1).forward(std::array<float, 2>{1, 2}), -3);
}

TEST(Neuron, RefusesWhatDoesNotFit) {
  EXPECT_THROW(Neuron({}, 0), ShapeError);
  EXPECT_THROW(Neuron({1}, 0, "nothing"), ShapeError);
  const Neuron neuron({1, 2}, 0);
  EXPECT_THROW(neuron.forward(std::array<float, 3>{}), ShapeError);
  std::vector<float> y(2);
  EXPECT_THROW(neuron.forward(std::array<float, 3>{}, y), ShapeError);
}

}  // namespace
}  // namespace soma
