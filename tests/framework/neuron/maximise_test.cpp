// Images that units like: of a net trained here on the built-in glyphs.
#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "soma/error.hpp"
#include "soma/neuron.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

/// LeNet-5 with fewer units.
Model trained_lenet(const Backend& opened) {
  Model net({28, 28, 1}, "digits");
  const auto same = Padding::same;
  net.add(Conv2d{.filters = 6, .kernel = 5, .padding = same, .activation = "relu"}, "conv1")
      .add(MaxPool2d{.size = 2}, "pool1")
      .add(Conv2d{.filters = 12, .kernel = 5, .padding = same, .activation = "relu"}, "conv2")
      .add(MaxPool2d{.size = 2}, "pool2")
      .add(Flatten{}, "flat")
      .add(Dense{.units = 48, .activation = "relu"}, "fc1")
      .add(Dense{.units = 10}, "fc2");
  Trainer trainer(net, opened, {.optimizer = Adam{.learning_rate = 2e-3}, .threads = 1});
  trainer.fit(data::load("glyphs").train.head(1500), {.epochs = 2, .batch = 32});
  return net;
}

TEST(Maximise, MakesAnImageOfEachDigitThatTheNetIsSureOf) {
  const auto names = backend_names();
  const Model net = trained_lenet(backend(std::ranges::count(names, "tbb") ? "tbb" : "reference"));
  ASSERT_TRUE(gives_classes(net, "fc2"));
  std::vector<std::int64_t> digits(10);
  std::iota(digits.begin(), digits.end(), std::int64_t{0});
  for (const std::string& name : names) {
    const Backend opened = backend(name);
    MaximiseOptions options{.log_probability = true};
    const auto found = maximise(net, "fc2", digits, opened, options);
    // Judged by the reference, whoever made them.
    const Predictor judge(net, backend("reference"), {.concurrency = 1});
    for (const Maximised& m : found) {
      std::array<float, 10> p;
      judge.run(std::span<const float>(m.input), p);
      EXPECT_GT(p[static_cast<std::size_t>(m.unit)], 0.99f) << name << " digit " << m.unit;
      EXPECT_GT(m.after, m.before);
      for (const float v : m.input) EXPECT_TRUE(v >= 0 && v <= 1);
    }
    // Without a step it is noise, which the net is not sure to be each of ten digits.
    options.steps = 0;
    int sure = 0;
    for (const Maximised& m : maximise(net, "fc2", digits, opened, options)) {
      std::array<float, 10> p;
      judge.run(std::span<const float>(m.input), p);
      sure += p[static_cast<std::size_t>(m.unit)] > 0.99f;
    }
    EXPECT_LE(sure, 1);
  }
}

// Of a weighted sum of bounded inputs the largest value is known: low and high by the sign of the
// weight.
TEST(Maximise, ReachesTheKnownMaximumOfAWeightedSum) {
  Model net({9, 9, 1}, "sum");
  net.add(Conv2d{.filters = 3, .kernel = 3, .activation = "relu"}, "conv");
  net.initialize(4);
  for (const std::string& name : backend_names()) {
    const std::array<std::int64_t, 2> units{2, 0};
    const auto found = maximise(net, "conv", units, backend(name),
                                {.steps = 200, .rate = 0.5, .decay = 0, .smooth = 0});
    for (const Maximised& m : found) {
      const NeuronView unit = net.layer("conv").neuron(m.unit);
      double best = unit.bias();
      for (const float w : unit.weights()) best += std::max(w, 0.0f);
      EXPECT_NEAR(m.after, best, 1e-5);
      const ReceptiveField field = unit.receptive_field(unit.position());
      for (std::size_t e = 0; e < m.input.size(); ++e) {
        EXPECT_TRUE(field.reaches[e] != 0 || m.input[e] == 0) << e;
      }
      EXPECT_EQ(m.path.size(), 200u);
    }
  }
}

TEST(MaximiseErrors, SayWhatIsExpected) {
  Model net({4}, "words", DType::i32);
  net.add(Embedding{.vocab = 3, .units = 2}, "embed").add(Dense{.units = 2}, "fc");
  net.initialize(1);
  const std::array<std::int64_t, 1> unit{0};
  EXPECT_THROW(maximise(net, "fc", unit, backend("reference")), ShapeError);
  Model numbers({4}, "numbers");
  numbers.add(Dense{.units = 2}, "fc");
  numbers.initialize(1);
  EXPECT_THROW(maximise(numbers, "fc", {}, backend("reference")), ShapeError);
  EXPECT_THROW(maximise(numbers, "fc", unit, backend("reference"), {.rate = 0}), ShapeError);
  EXPECT_THROW(maximise(numbers, "fc", unit, backend("reference"), {.low = 1, .high = 0}),
               ShapeError);
  const std::array<std::int64_t, 1> none{5};
  EXPECT_THROW(maximise(numbers, "fc", none, backend("reference")), ShapeError);
}

}  // namespace
}  // namespace soma
