#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

/// A net with every kind of layer, a skip connection and a value that is used twice.
Model every_layer(Loss loss = Loss::softmax_cross_entropy) {
  Model net({9, 8, 2}, "every_layer");
  net.add(Conv2d{.filters = 4, .kernel = 3, .padding = Padding::same, .activation = "tanh"},
          "conv1");
  net.add(
      Conv2d{
          .filters = 4, .kernel = 3, .padding = Padding::same, .groups = 2, .activation = "relu"},
      "conv2");
  net.add(Add{}, "skip", {"conv1", "conv2"});
  net.add(MaxPool2d{.size = 3, .stride = 2, .padding = Padding::same}, "max");
  net.add(AvgPool2d{.size = 2}, "avg");
  net.add(Flatten{}, "flat");
  net.add(Dense{.units = 10, .activation = "sigmoid"}, "hidden");
  net.add(Dense{.units = 10}, "linear", {"hidden"});
  net.add(Add{}, "twice", {"hidden", "linear", "hidden"});
  net.add(Activation{"relu"}, "relu");
  net.add(Dense{.units = 3}, "out");
  return std::move(net.set_loss(loss));
}

struct Batch {
  std::vector<float> inputs;
  std::vector<std::int32_t> labels;
  std::vector<float> targets;
};

Batch make_batch(std::int64_t n, std::uint32_t step = 0) {
  const PhiloxStream stream(11, "batch");
  Batch batch;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(n * 9 * 8 * 2); ++i) {
    batch.inputs.push_back(2 * stream.uniform(step, i) - 1);
  }
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(n); ++i) {
    batch.labels.push_back(static_cast<std::int32_t>(stream.bits(step + 1000, i) % 3));
    for (std::uint32_t k = 0; k < 3; ++k)
      batch.targets.push_back(stream.uniform(step + 2000, i * 3 + k));
  }
  return batch;
}

Dataset make_data(std::int64_t n) {
  const Batch batch = make_batch(n);
  Tensor inputs({n, 9, 8, 2});
  std::ranges::copy(batch.inputs, inputs.as<float>().begin());
  return Dataset("made", std::move(inputs), batch.labels, {"a", "b", "c"});
}

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

/// The whole network's gradient, read off one step of plain SGD with rate 1, against central
/// differences of the loss.
class NetworkGradient : public testing::TestWithParam<Loss> {};

TEST_P(NetworkGradient, AgreesWithCentralDifferences) {
  const Loss loss = GetParam();
  const Batch batch = make_batch(4);
  const auto loss_of = [&](Model& net, double rate) {
    Trainer trainer(net, exact("reference"), {.optimizer = Sgd{.learning_rate = rate}});
    return loss == Loss::softmax_cross_entropy ? trainer.step(batch.inputs, batch.labels)
                                               : trainer.step(batch.inputs, batch.targets);
  };
  Model net = every_layer(loss);
  net.initialize(3);
  std::vector<std::vector<float>> before;
  for (const Parameter& p : net.parameters()) {
    before.emplace_back(p.value.as<float>().begin(), p.value.as<float>().end());
  }
  const auto restore = [&] {
    for (std::size_t i = 0; i < before.size(); ++i) {
      std::ranges::copy(before[i], net.parameters()[i].value.as<float>().begin());
      ++net.parameters()[i].version;
    }
  };
  loss_of(net, 1.0);
  std::vector<std::vector<double>> gradient;
  double largest = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    auto& g = gradient.emplace_back();
    const auto after = std::as_const(net).parameters()[i].value.as<float>();
    for (std::size_t k = 0; k < after.size(); ++k) {
      g.push_back(double{before[i][k]} - after[k]);
      largest = std::max(largest, std::abs(g.back()));
    }
  }
  ASSERT_GT(largest, 1e-3);
  // relu and max-pooling have kinks: where halving the step moves the difference, it says nothing
  // about the gradient.
  int checked = 0, seen = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (std::size_t k = 0; k < before[i].size(); k += 5) {
      const auto moved = [&](float by) {
        restore();
        net.parameters()[i].value.as<float>()[k] += by;
        return loss_of(net, 0.0);
      };
      const auto difference = [&](float h) { return (moved(h) - moved(-h)) / (2.0 * h); };
      const double coarse = difference(1.0f / 512), fine = difference(1.0f / 1024);
      ++seen;
      if (std::abs(coarse - fine) > 1e-3 * largest) continue;
      ++checked;
      EXPECT_NEAR(gradient[i][k], fine, 2e-3 * largest + 1e-4)
          << std::as_const(net).parameters()[i].name << "[" << k << "]";
    }
  }
  EXPECT_GT(checked, seen * 3 / 4);
}

INSTANTIATE_TEST_SUITE_P(Losses, NetworkGradient,
                         testing::Values(Loss::softmax_cross_entropy, Loss::mean_squared_error),
                         [](const auto& info) { return std::string(name_of(info.param)); });

std::string train_hash(const std::string& name, int threads, const Optimizer& optimizer) {
  Model net = every_layer();
  Trainer trainer(net, exact(name), {.optimizer = optimizer, .seed = 9, .threads = threads});
  trainer.fit(make_data(50), {.epochs = 4, .batch = 16});
  return net.weights_sha256();
}

TEST(Training, EveryBackendAndThreadCountGivesTheSameWeights) {
  for (const Optimizer& optimizer :
       {Optimizer(Sgd{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 1e-4}),
        Optimizer(Adam{.learning_rate = 0.01})}) {
    const std::string expected = train_hash("reference", 1, optimizer);
    for (const std::string& name : backend_names()) {
      for (const int threads : {1, 2, 3, 8}) {
        EXPECT_EQ(train_hash(name, threads, optimizer), expected)
            << name << ", " << threads << " threads, " << optimizer.type;
      }
    }
  }
}

TEST(Training, AResumedRunEndsWithTheBitsOfAnUninterruptedOne) {
  const Dataset data = make_data(50);
  const TrainerOptions options{.optimizer = Adam{.learning_rate = 0.01}, .seed = 4, .threads = 1};
  const auto file = std::filesystem::path(testing::TempDir()) / "resume.safetensors";
  Model whole = every_layer();
  Trainer reference(whole, exact("reference"), options);
  const Progress end = reference.fit(data, {.epochs = 5, .batch = 16});
  for (const std::int64_t stop_at : {1, 3, 4, 11, 20}) {
    Model first = every_layer(), second = every_layer();
    Trainer before(first, exact("reference"), options);
    before.fit(data, {.steps = stop_at, .batch = 16});
    before.save_checkpoint(file);
    Trainer after(second, exact("reference"), options);
    after.load_checkpoint(file);
    const Progress resumed = after.fit(data, {.epochs = 5, .batch = 16});
    EXPECT_EQ(second.weights_sha256(), whole.weights_sha256()) << "stopped after " << stop_at;
    EXPECT_EQ(resumed.step, end.step);
    EXPECT_EQ(resumed.mean_loss, end.mean_loss);
    EXPECT_EQ(resumed.accuracy, end.accuracy);
  }
}

TEST(Training, ADamagedCheckpointIsRefusedAndChangesNothing) {
  const Dataset data = make_data(20);
  const auto file = std::filesystem::path(testing::TempDir()) / "damaged.safetensors";
  Model net = every_layer();
  Trainer trainer(net, exact("reference"));
  trainer.fit(data, {.steps = 2, .batch = 8});
  trainer.save_checkpoint(file);
  const std::string hash = net.weights_sha256();
  const auto size = std::filesystem::file_size(file);
  {
    std::FILE* f = std::fopen(file.c_str(), "r+b");
    ASSERT_NE(f, nullptr);
    std::fseek(f, static_cast<long>(size - 100), SEEK_SET);
    std::fputc(0x5a, f);
    std::fputc(0xa5, f);
    std::fclose(f);
  }
  EXPECT_THROW(trainer.load_checkpoint(file), FormatError);
  std::filesystem::resize_file(file, size / 2);
  EXPECT_THROW(trainer.load_checkpoint(file), FormatError);
  EXPECT_EQ(net.weights_sha256(), hash);
}

TEST(Training, ACheckpointOfAnotherModelIsRefused) {
  const auto file = std::filesystem::path(testing::TempDir()) / "other.safetensors";
  Model net = every_layer(), other({9, 8, 2}, "other");
  other.add(Dense{.units = 3});
  Trainer(net, exact("reference")).save_checkpoint(file);
  EXPECT_THROW(Trainer(other, exact("reference")).load_checkpoint(file), ShapeError);
}

TEST(Training, StoppingFromACallbackLeavesAtThatStep) {
  Model net = every_layer();
  Trainer trainer(net, exact("reference"));
  std::atomic<bool> stop = false;
  const auto after_three = [&](const Progress& p) { stop = p.step == 3; };
  const Progress at =
      trainer.fit(make_data(50), {.epochs = 5, .batch = 8, .on_step = after_three, .stop = &stop});
  EXPECT_EQ(at.step, 3);
}

TEST(TrainingErrors, DataThatDoNotFitAreNamed) {
  Model net({28, 28, 1}, "digits");
  net.add(Dense{.units = 3});
  Trainer trainer(net, exact("reference"));
  try {
    trainer.fit(make_data(4), {});
    FAIL() << "nothing was thrown";
  } catch (const ShapeError& e) {
    EXPECT_STREQ(e.what(),
                 "model 'digits' and data set 'made' do not fit: the model takes samples of shape "
                 "[28,28,1], the data "
                 "have [9,8,2]");
  }
}

}  // namespace
}  // namespace soma
