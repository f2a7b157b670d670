// What layers of normalisation do beyond their ops: running statistics, training against inference.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

constexpr std::int64_t kHeight = 5, kWidth = 4, kChannels = 3, kClasses = 3;
constexpr std::int64_t kSample = kHeight * kWidth * kChannels;

/// Every layer of normalisation.
Model every_norm() {
  Model net({kHeight, kWidth, kChannels}, "every_norm");
  net.add(BatchNorm{.momentum = 0.25}, "bn0");
  net.add(Conv2d{.filters = 8, .kernel = 3, .padding = Padding::same, .activation = "relu"});
  net.add(BatchNorm{}, "bn1").add(GroupNorm{.groups = 2}, "gn").add(InstanceNorm{}, "in");
  net.add(LayerNorm{.affine = false}, "ln0").add(Dense{.units = 16, .activation = "relu"});
  net.add(LayerNorm{}, "ln1").add(RmsNorm{}, "rms").add(LayerNorm{.bias = false}, "ln2");
  net.add(BatchNorm{}, "bn2").add(Dense{.units = kClasses});
  return net;
}

std::vector<float> inputs_of(std::int64_t n, std::uint32_t step) {
  const PhiloxStream stream(5, "inputs");
  std::vector<float> x(static_cast<std::size_t>(n * kSample));
  for (std::uint32_t i = 0; i < x.size(); ++i) {
    x[i] = 3 * stream.uniform(step, i) + static_cast<float>(i % kChannels);
  }
  return x;
}

Dataset make_data(std::int64_t n) {
  Tensor inputs({n, kHeight, kWidth, kChannels});
  std::ranges::copy(inputs_of(n, 0), inputs.as<float>().begin());
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < n; ++i) labels.push_back(static_cast<std::int32_t>(i % kClasses));
  return Dataset("made", std::move(inputs), labels, {"a", "b", "c"});
}

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

std::vector<float> values_of(const Model& net, std::string_view name) {
  for (const Parameter& p : net.parameters()) {
    if (p.name == name) return {p.value.as<float>().begin(), p.value.as<float>().end()};
  }
  throw ShapeError("no parameter " + std::string(name));
}

class RunningStatistics : public testing::TestWithParam<std::string> {};

TEST_P(RunningStatistics, AfterSomeStepsAreThoseOfAFloat64Computation) {
  constexpr std::int64_t kBatch = 6, kRows = kBatch * kHeight * kWidth;
  Model net = every_norm();
  Trainer trainer(net, exact(GetParam()), {.seed = 3, .threads = 2});
  std::vector<double> mean(kChannels, 0.0), variance(kChannels, 1.0);
  for (std::uint32_t step = 0; step < 7; ++step) {
    const std::vector<float> x = inputs_of(kBatch, step);
    trainer.step(x, std::vector<std::int32_t>{0, 1, 2, 0, 1, 2});
    for (std::size_t c = 0; c < kChannels; ++c) {
      double sum = 0, squares = 0;
      for (std::size_t i = c; i < x.size(); i += kChannels) sum += double{x[i]};
      for (std::size_t i = c; i < x.size(); i += kChannels) {
        squares += (double{x[i]} - sum / kRows) * (double{x[i]} - sum / kRows);
      }
      mean[c] = 0.75 * mean[c] + 0.25 * sum / kRows;
      variance[c] = 0.75 * variance[c] + 0.25 * squares / (kRows - 1);
    }
  }
  const auto running_mean = values_of(net, "bn0.running_mean");
  const auto running_var = values_of(net, "bn0.running_var");
  for (std::size_t c = 0; c < kChannels; ++c) {
    EXPECT_NEAR(double{running_mean[c]}, mean[c], 1e-5 * std::abs(mean[c]));
    EXPECT_NEAR(double{running_var[c]}, variance[c], 1e-5 * variance[c]);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, RunningStatistics, testing::ValuesIn(backend_names()),
                         [](const auto& info) { return info.param; });

TEST(Normalization, TrainingUsesTheBatchAndInferenceTheRunningStatistics) {
  Model net({2}, "bn_alone");
  net.add(BatchNorm{.momentum = 0.5}, "bn");
  net.set_loss(Loss::mean_squared_error);
  net.initialize(1);
  const std::vector<float> x{10, -4, 14, -8}, targets(4, 0.0f);
  Trainer trainer(net, exact("reference"), {.optimizer = Sgd{.learning_rate = 0}});
  // The batch has mean 12 and -6, biased variance 4: every output is 1 or -1, but for epsilon.
  EXPECT_NEAR(trainer.step(x, targets), 1, 1e-5);
  EXPECT_EQ(values_of(net, "bn.running_mean"), (std::vector<float>{6, -3}));
  EXPECT_EQ(values_of(net, "bn.running_var"), (std::vector<float>{4.5f, 4.5f}));
  std::vector<float> y(4);
  const Predictor predictor(net, exact("reference"), {.max_batch = 2});
  predictor.run(x, y);
  for (std::size_t i = 0; i < 4; ++i) {
    const double mean = i % 2 == 0 ? 6 : -3;
    EXPECT_NEAR(double{y[i]}, (double{x[i]} - mean) / std::sqrt(4.5 + 1e-5), 1e-5);
  }
}

TEST(Normalization, TheOptimizerLeavesRunningStatisticsAlone) {
  Model net = every_norm();
  net.initialize(1);
  for (const Parameter& p : net.parameters()) {
    EXPECT_EQ(p.trainable, p.name.find("running") == std::string::npos) << p.name;
  }
}

std::string train_hash(const std::string& name, int threads) {
  Model net = every_norm();
  Trainer trainer(net, exact(name),
                  {.optimizer = Adam{.learning_rate = 0.01}, .seed = 9, .threads = threads});
  trainer.fit(make_data(40), {.epochs = 3, .batch = 16});
  return net.weights_sha256();
}

TEST(Normalization, EveryBackendAndThreadCountGivesTheSameWeightsAndStatistics) {
  const std::string expected = train_hash("reference", 1);
  for (const std::string& name : backend_names()) {
    for (const int threads : {1, 2, 3, 8}) {
      EXPECT_EQ(train_hash(name, threads), expected) << name << ", " << threads << " threads";
    }
  }
}

TEST(Normalization, AResumedRunEndsWithTheBitsOfAnUninterruptedOne) {
  const Dataset data = make_data(40);
  const TrainerOptions options{.optimizer = Adam{.learning_rate = 0.01}, .seed = 4, .threads = 2};
  const auto file = std::filesystem::path(testing::TempDir()) / "norm_resume.safetensors";
  Model whole = every_norm(), first = every_norm(), second = every_norm();
  Trainer(whole, exact("tbb"), options).fit(data, {.epochs = 3, .batch = 16});
  Trainer before(first, exact("tbb"), options);
  before.fit(data, {.steps = 4, .batch = 16});
  before.save_checkpoint(file);
  Trainer after(second, exact("tbb"), options);
  after.load_checkpoint(file);
  EXPECT_EQ(values_of(second, "bn1.running_var"), values_of(first, "bn1.running_var"));
  after.fit(data, {.epochs = 3, .batch = 16});
  EXPECT_EQ(second.weights_sha256(), whole.weights_sha256());
}

TEST(Normalization, ASavedModelKeepsItsStatistics) {
  const auto file = std::filesystem::path(testing::TempDir()) / "norm_saved.safetensors";
  Model net = every_norm();
  Trainer(net, exact("tbb"), {.seed = 2}).fit(make_data(40), {.steps = 5, .batch = 16});
  net.save(file);
  const Model loaded = Model::load(file);
  EXPECT_EQ(loaded.weights_sha256(), net.weights_sha256());
  EXPECT_EQ(loaded.to_json(), net.to_json());
  const auto x = inputs_of(3, 99);
  std::vector<float> before(9), after(9);
  Predictor(net, exact("tbb"), {.max_batch = 3}).run(x, before);
  Predictor(loaded, exact("tbb"), {.max_batch = 3}).run(x, after);
  EXPECT_EQ(before, after);
}

TEST(Normalization, ImpossibleFieldsAreRefused) {
  const auto refused = [](const char* type, const char* field, Attributes::Value value) {
    Attributes a;
    a.set(field, std::move(value));
    EXPECT_THROW(make_layer(type, a), ShapeError) << type << " " << field;
  };
  refused("batch_norm", "momentum", 1.5);
  refused("batch_norm", "momentum", -0.1);
  refused("layer_norm", "epsilon", -1e-5);
  refused("rms_norm", "epsilon", std::string("small"));
  refused("group_norm", "epsilon", 1e-5);  // without groups
  EXPECT_THROW(Model({4, 4, 6}).add(GroupNorm{.groups = 4}), ShapeError);
  Attributes whole;
  whole.set("momentum", std::int64_t{1});
  EXPECT_EQ(make_layer("batch_norm", whole)->attributes().real("momentum", 0), 1.0);
}

}  // namespace
}  // namespace soma
