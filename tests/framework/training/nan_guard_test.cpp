#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "branched_net.hpp"
#include "io/safetensors.hpp"
#include "io/sha256.hpp"
#include "temporary_folder.hpp"

namespace soma {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kBatch = 6, kStep = 3;

/// Every way a NaN can come: through the data, a weight, a statistic, an output, a gradient, state.
enum class Place { input, parameter, output, gradient, state };

struct Plant {
  const char* name;
  Place place;
  const char* what;  // parameter or layer
  std::int64_t index;
  float value;
  const char* layer;  // as named
  KernelTime::Phase phase;
  const char* tensor;
};
void PrintTo(const Plant& p, std::ostream* out) { *out << p.name; }

using enum KernelTime::Phase;

const Plant kPlants[] = {
    {"input", Place::input, "", 17, kNaN, "conv", forward, "input"},
    {"infinite_input", Place::input, "", 300, kInfinity, "conv", forward, "input"},
    {"convolution", Place::parameter, "conv.weight", 5, kNaN, "conv", forward, "conv.weight"},
    {"gain", Place::parameter, "norm.gamma", 1, kInfinity, "norm", forward, "norm.gamma"},
    {"dense", Place::parameter, "fc1.weight", 20, kNaN, "fc1", forward, "fc1.weight"},
    {"dense_bias", Place::parameter, "fc1.bias", 2, -kInfinity, "fc1", forward, "fc1.bias"},
    {"last_weight", Place::parameter, "out.weight", 4, kNaN, "out", forward, "out.weight"},
    {"last_bias", Place::parameter, "out.bias", 0, kNaN, "out", forward, "out.bias"},
    {"running_mean", Place::parameter, "norm.running_mean", 1, kNaN, "norm", forward,
     "norm.running_mean"},
    {"convolved", Place::output, "conv", 33, kNaN, "conv", forward, "conv.output"},
    {"normalised", Place::output, "norm", 7, kNaN, "norm", forward, "norm.output"},
    {"rectified", Place::output, "relu", 100, kInfinity, "relu", forward, "relu.output"},
    {"hidden", Place::output, "fc1", 11, kNaN, "fc1", forward, "fc1.output"},
    {"logits", Place::output, "out", 9, kNaN, "out", forward, "out.output"},
    {"grad_logits", Place::gradient, "out", 9, kNaN, "out", backward, "gradient of out.output"},
    {"grad_hidden", Place::gradient, "fc1", 3, kInfinity, "fc1", backward,
     "gradient of fc1.output"},
    {"grad_normalised", Place::gradient, "norm", 8, kNaN, "norm", backward,
     "gradient of norm.output"},
    {"grad_convolved", Place::gradient, "conv", 60, kNaN, "conv", backward,
     "gradient of conv.output"},
    {"first_moment", Place::state, "optimizer.m.fc1.weight", 13, kNaN, "fc1", update,
     "optimizer.m.fc1.weight"},
    {"second_moment", Place::state, "optimizer.v.conv.weight", 2, kInfinity, "conv", update,
     "optimizer.v.conv.weight"},
};
static_assert(std::size(kPlants) == 20);

Model planted_net() {
  Model net({6, 6, 2}, "planted");
  net.add(Conv2d{.filters = 3, .kernel = 3}, "conv").add(BatchNorm{}, "norm");
  net.add(Activation{"relu"}, "relu").add(Flatten{}, "flat");
  net.add(Dense{.units = 5, .activation = "tanh"}, "fc1").add(Dense{.units = 3}, "out");
  return net;
}

std::vector<float> planted_inputs(std::int64_t step) {
  const PhiloxStream stream(7, "planted");
  std::vector<float> inputs;
  for (std::uint32_t i = 0; i < kBatch * 72; ++i) {
    inputs.push_back(2 * stream.uniform(static_cast<std::uint32_t>(step), i) - 1);
  }
  return inputs;
}
const std::vector<std::int32_t> kLabels = {0, 1, 2, 1, 0, 2};

/// Changes one number of a checkpoint, with the checksum that goes with it.
void damage(const std::filesystem::path& file, const Plant& plant) {
  const io::SafetensorsReader reader(file);
  std::vector<io::TensorEntry> entries = reader.tensors();
  std::vector<float> numbers;
  io::Sha256 hash;
  for (io::TensorEntry& e : entries) {
    if (e.name == plant.what) {
      const auto* from = reinterpret_cast<const float*>(e.data);
      numbers.assign(from, from + e.bytes() / sizeof(float));
      numbers.at(static_cast<std::size_t>(plant.index)) = plant.value;
      e.data = reinterpret_cast<const std::byte*>(numbers.data());
    }
    hash.update(std::as_bytes(std::span(e.name)));
    hash.update({e.data, e.bytes()});
  }
  ASSERT_FALSE(numbers.empty());
  io::Metadata metadata = reader.metadata();
  metadata["sha256"] = hash.hex();
  io::write_safetensors(file, entries, metadata);
}

class NaNs : public testing::TestWithParam<std::tuple<const char*, Plant>> {};

TEST_P(NaNs, AreNamedInTheirStep) {
  const auto& [name, plant] = GetParam();
  Model net = planted_net();
  Trainer trainer(net, exact_backend(name), {.optimizer = Adam{}, .threads = 2});
  const auto hook = [&, &plant = plant](const HookedTensor& t) {
    if (t.step == kStep) t.values[static_cast<std::size_t>(plant.index)] = plant.value;
  };
  if (plant.place == Place::output) trainer.on_forward(plant.what, hook);
  if (plant.place == Place::gradient) trainer.on_backward(plant.what, hook);
  for (std::int64_t step = 1; step < kStep; ++step) trainer.step(planted_inputs(step), kLabels);

  const TemporaryFolder folder;
  const auto checkpoint = folder / "checkpoint.safetensors";
  trainer.save_checkpoint(checkpoint);
  const std::string before = net.weights_sha256();
  std::vector<float> inputs = planted_inputs(kStep);
  const auto index = static_cast<std::size_t>(plant.index);
  if (plant.place == Place::input) inputs[index] = plant.value;
  if (plant.place == Place::parameter) {
    Parameter& parameter = net.parameter(plant.what);
    parameter.value.as<float>()[index] = plant.value;
    ++parameter.version;
  }
  if (plant.place == Place::state) {
    damage(checkpoint, plant);
    trainer.load_checkpoint(checkpoint);
  }
  try {
    trainer.step(inputs, kLabels);
    FAIL() << "expected NonFiniteError";
  } catch (const NonFiniteError& e) {
    const NonFinite& found = e.where();
    EXPECT_EQ(found.step, kStep) << e.what();
    EXPECT_EQ(found.layer, plant.layer) << e.what();
    EXPECT_EQ(found.phase, plant.phase) << e.what();
    EXPECT_EQ(found.tensor, plant.tensor) << e.what();
    EXPECT_EQ(found.index, plant.index) << e.what();
    EXPECT_EQ(std::isnan(found.value), std::isnan(plant.value)) << e.what();
    EXPECT_NE(std::string(e.what()).find("step 3: "), std::string::npos) << e.what();
    const bool computed = plant.place == Place::output || plant.place == Place::gradient;
    EXPECT_EQ(found.computed, computed);
  }
  if (plant.place == Place::state || plant.place == Place::parameter) return;
  // The step has changed nothing, so a sound batch goes on from here.
  EXPECT_EQ(net.weights_sha256(), before);
  EXPECT_EQ(trainer.progress().step, kStep - 1);
}

INSTANTIATE_TEST_SUITE_P(Planted, NaNs,
                         testing::Combine(testing::Values("reference", "tbb", "onednn"),
                                          testing::ValuesIn(kPlants)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)) + "_" +
                                  std::get<1>(test.param).name;
                         });

// max(0, -infinity) leaves no trace in the loss: what hooks write is looked at all the same, and
// every overflow with every_tensor.
TEST(NanCheck, FindsWhatAStepMasks) {
  for (const NanCheck check : {NanCheck::step, NanCheck::every_tensor}) {
    for (const bool hooked : {true, false}) {
      Model net = planted_net();
      Trainer trainer(net, exact_backend("tbb"), {.nan_check = check});
      if (hooked) {
        trainer.on_forward("norm", [](const HookedTensor& t) { t.values[4] = -kInfinity; });
      } else {  // from -1e38 to -infinity
        net.parameter("norm.gamma").value.as<float>()[1] = 1e38f;
        net.parameter("norm.beta").value.as<float>()[1] = -3e38f;
      }
      try {
        const double loss = trainer.step(planted_inputs(1), kLabels);
        EXPECT_TRUE(std::isfinite(loss) && !hooked && check == NanCheck::step);
      } catch (const NonFiniteError& e) {
        EXPECT_EQ(e.where().tensor, "norm.output");
        EXPECT_TRUE(!hooked || e.where().index == 4) << e.what();
      }
    }
  }
}

TEST(NanCheck, MayBeLeftOut) {
  Model net = planted_net();
  Trainer trainer(net, exact_backend("reference"), {.nan_check = NanCheck::none});
  std::vector<float> inputs = planted_inputs(1);
  inputs[0] = kNaN;
  EXPECT_TRUE(std::isnan(trainer.step(inputs, kLabels)));
}

// Nothing of what the layers compute on purpose counts as found.
TEST(NanCheck, OfEveryTensorIsContentWithTheLayers) {
  for (const char* file : {"lenet5", "resnet20", "char-lstm", "char-gpt"}) {
    Model net = Model::named(file);
    Trainer trainer(net, exact_backend("tbb"), {.nan_check = NanCheck::every_tensor});
    const ModelInput& input = net.inputs()[0];
    const auto samples = static_cast<std::size_t>(2 * input.shape.elements());
    const auto labels =
        static_cast<std::size_t>(2 * net.output_shape().elements() / net.output_shape().back());
    const std::vector<std::int32_t> targets(labels, 1), tokens(samples, 3);
    const std::vector<float> numbers(samples, 0.5f);
    const TensorView given = input.type == DType::i32 ? TensorView(tokens) : TensorView(numbers);
    EXPECT_NO_THROW(trainer.step(given, targets)) << file;
  }
}

// Overflow in the update itself: everything before it is finite.
TEST(NanCheck, FindsAnUpdateThatOverflows) {
  Model net = planted_net();
  Trainer trainer(net, exact_backend("tbb"), {.optimizer = Sgd{.learning_rate = 1e39}});
  try {
    trainer.step(planted_inputs(1), kLabels);
    FAIL() << "expected NonFiniteError";
  } catch (const NonFiniteError& e) {
    EXPECT_EQ(e.where().phase, update);
    EXPECT_EQ(e.where().tensor, "conv.weight");
  }
}

Dataset planted_data(bool bad) {
  Tensor inputs({4 * kBatch, 6, 6, 2});
  std::vector<std::int32_t> labels;
  for (std::int64_t part = 0; part < 4; ++part) {
    const auto values = planted_inputs(part);
    std::ranges::copy(values, inputs.as<float>().begin() + part * std::ssize(values));
    labels.insert(labels.end(), kLabels.begin(), kLabels.end());
  }
  if (bad) inputs.as<float>()[72 * 13 + 5] = kNaN;
  return Dataset("planted", std::move(inputs), std::move(labels), {"a", "b", "c"});
}

TEST(NanCheck, NamesTheBatchOfAnUpdateOfSeveral) {
  for (const std::int64_t accumulate : {1, 2, 4}) {
    Model net = planted_net();
    Trainer trainer(net, exact_backend("tbb"), {});
    try {
      trainer.fit(planted_data(true), {.epochs = 1, .batch = 3, .accumulate = accumulate});
      FAIL() << "expected NonFiniteError";
    } catch (const NonFiniteError& e) {
      EXPECT_EQ(e.where().step, trainer.progress().step + 1);
      EXPECT_EQ(e.where().tensor, "input");
      EXPECT_EQ(e.where().index % 72, 5);
    }
  }
}

struct Trouble {
  const char* name;
  std::int64_t times;  // how often step 30 goes wrong
  bool spike;
};

class Rewinds : public testing::TestWithParam<Trouble> {};

TEST_P(Rewinds, GoBackToTheCheckpointAtALowerRateAFewTimes) {
  const Trouble trouble = GetParam();
  const TemporaryFolder folder;
  const auto run = [&](std::string& hash) {
    Model net = planted_net();
    Trainer trainer(net, exact_backend("tbb"),
                    {.optimizer = Sgd{.learning_rate = 0.01}, .average = 0.9});
    std::int64_t left = trouble.times;
    int rewound = 0;
    trainer.on_forward("out", [&](const HookedTensor& t) {
      if (t.step != 30 || left == 0) return;
      if (trouble.spike) {
        for (float& x : t.values) x = 1000 * x;
      } else {
        t.values[0] = kNaN;
      }
    });
    const auto checkpoint = folder / "checkpoint.safetensors";
    std::filesystem::remove(checkpoint);
    FitOptions fit{.steps = 40, .batch = kBatch};
    fit.rescue = {.on_nan = Remedy::rewind,
                  .on_spike = Remedy::rewind,
                  .checkpoint = checkpoint,
                  .on_rewind = [&](const Progress& at, const std::string& why) {
                    EXPECT_EQ(at.step, 25);
                    EXPECT_EQ(at.rewinds, ++rewound);
                    EXPECT_NE(why.find("step 30"), std::string::npos) << why;
                    --left;
                  }};
    fit.on_step = [&](const Progress& at) {
      EXPECT_FLOAT_EQ(static_cast<float>(at.learning_rate),
                      static_cast<float>(0.01 * std::pow(0.5, at.rewinds)));
      if (at.step == 25) trainer.save_checkpoint(checkpoint);
    };
    if (trouble.times > fit.rescue.most) {
      EXPECT_THROW(trainer.fit(planted_data(false), fit), TrainingError);
      EXPECT_EQ(trainer.progress().rewinds, fit.rescue.most);
    } else {
      EXPECT_EQ(trainer.fit(planted_data(false), fit).rewinds, trouble.times);
      EXPECT_EQ(trainer.progress().step, 40);
    }
    hash = net.weights_sha256();
  };
  std::string first, second;
  run(first);
  run(second);
  EXPECT_EQ(first, second);
}

INSTANTIATE_TEST_SUITE_P(Troubles, Rewinds,
                         testing::Values(Trouble{"nan_once", 1, false},
                                         Trouble{"nan_twice", 2, false},
                                         Trouble{"nan_always", 99, false},
                                         Trouble{"spike_once", 1, true},
                                         Trouble{"spike_always", 99, true}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace soma
