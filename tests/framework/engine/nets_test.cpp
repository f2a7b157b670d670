// Whole networks: the model files that ship, and five kinds of nets over 200 steps, to the same
// weights on every exact backend and thread count.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

#include "soma/philox.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

namespace fs = std::filesystem;

/// Batches for any model: made of the shapes of its inputs and its loss. The labels follow from
/// the inputs, so that there is something to learn.
class Batches {
 public:
  Batches(const Model& model, std::int64_t batch) : model_(model), batch_(batch) {}

  double step(Trainer& trainer, std::uint32_t number) {
    const ModelInput& input = model_.inputs()[0];
    const auto n = static_cast<std::size_t>(batch_ * input.shape.elements());
    const PhiloxStream stream(17, "batch");
    const Shape output = model_.outputs()[0].shape;
    const bool classes = model_.loss() == Loss::softmax_cross_entropy;
    std::vector<float> numbers(n), targets;
    std::vector<std::int32_t> ids(n), labels;
    const auto sample = static_cast<std::size_t>(input.shape.elements());
    for (std::size_t i = 0; i < n; ++i) {
      // Each sample has a level of its own, which its class tells.
      const std::uint32_t row = level(stream, number, i / sample);
      const float noise = stream.uniform(number + 1000, static_cast<std::uint32_t>(i));
      numbers[i] = 0.15f * static_cast<float>(row) + 0.3f * noise;
      ids[i] = static_cast<std::int32_t>((row * 13 + i % sample) % 65);
    }
    if (classes) {
      const auto positions = static_cast<std::size_t>(output.elements() / output.back());
      for (std::size_t i = 0; i < static_cast<std::size_t>(batch_) * positions; ++i) {
        const std::size_t row = i / positions;
        labels.push_back(input.type == DType::i32
                             ? (ids[i] + 1) % 65
                             : static_cast<std::int32_t>(level(stream, number, row)));
      }
    } else {
      targets = numbers;
      targets.resize(static_cast<std::size_t>(batch_ * output.elements()));
    }
    const TensorView x = input.type == DType::i32 ? TensorView(ids) : TensorView(numbers);
    return trainer.step(x, classes ? TensorView(labels) : TensorView(targets));
  }

 private:
  /// One of five, or of as many as there are classes.
  std::uint32_t level(const PhiloxStream& stream, std::uint32_t number, std::size_t row) const {
    const auto classes = static_cast<std::uint32_t>(model_.output_shape().back());
    const bool few = model_.loss().takes_classes() && classes < 5;
    return stream.bits(number, static_cast<std::uint32_t>(row)) % (few ? classes : 5);
  }
  const Model& model_;
  std::int64_t batch_;
};

struct Trained {
  std::string hash;
  std::vector<double> losses;
};

struct Machine {
  std::string backend = "reference";
  int threads = 1;
  Numerics numerics = Numerics::exact;
};

Trained train(Model net, const Machine& machine, int steps, std::int64_t batch,
              std::uint64_t seed = 3) {
  net.initialize(seed);
  Trainer trainer(
      net, backend(machine.backend, {.numerics = machine.numerics}),
      {.optimizer = Adam{.learning_rate = 2e-3}, .seed = seed, .threads = machine.threads});
  Batches batches(net, batch);
  Trained result;
  for (int i = 0; i < steps; ++i) {
    result.losses.push_back(batches.step(trainer, static_cast<std::uint32_t>(i)));
  }
  result.hash = net.weights_sha256();
  return result;
}

double mean(const std::vector<double>& values, std::size_t begin, std::size_t end) {
  return std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(begin),
                         values.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
         static_cast<double>(end - begin);
}

std::vector<fs::path> model_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(SOMA_MODEL_FILES)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

class ModelFiles : public testing::TestWithParam<fs::path> {};

TEST_P(ModelFiles, TrainOnEveryBackendToOneHash) {
  std::ifstream in(GetParam());
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto model = [&] { return Model::from_json(text, GetParam().string()); };
  constexpr int kSteps = 20;
  constexpr std::int64_t kBatch = 6;
  const Trained expected = train(model(), {}, kSteps, kBatch);
  EXPECT_LT(mean(expected.losses, 15, 20), mean(expected.losses, 0, 5));
  for (const std::string& name : backend_names()) {
    for (const int threads : {1, 2, 3}) {
      EXPECT_EQ(train(model(), {name, threads}, kSteps, kBatch).hash, expected.hash)
          << name << ", " << threads << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shipped, ModelFiles, testing::ValuesIn(model_files()),
                         [](const auto& info) {
                           std::string name = info.param.stem().string();
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

class BuiltInModels : public testing::TestWithParam<std::string> {};

TEST_P(BuiltInModels, TrainOnEveryBackendToOneHash) {
  constexpr int kSteps = 2;
  constexpr std::int64_t kBatch = 2;
  const auto hash_on = [&](const Machine& machine) {
    return train(Model::named(GetParam()), machine, kSteps, kBatch).hash;
  };
  const std::string expected = hash_on({});
  Model untrained = Model::named(GetParam());
  untrained.initialize(3);
  EXPECT_NE(untrained.weights_sha256(), expected);
  for (const std::string& name : backend_names()) {
    if (name == "reference") continue;
    EXPECT_EQ(hash_on({name, 2}), expected) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, BuiltInModels, testing::ValuesIn(Model::builtin_names()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

Model mlp() {
  Model net({40}, "mlp");
  net.add(Dense{.units = 48, .activation = "relu"}).add(Dense{.units = 32, .activation = "gelu"});
  return std::move(net.add(Dense{.units = 5}));
}

Model lenet() {
  Model net({12, 12, 1}, "lenet");
  net.add(Conv2d{.filters = 6, .kernel = 5, .padding = Padding::same, .activation = "relu"});
  net.add(MaxPool2d{})
      .add(Conv2d{.filters = 12, .kernel = 5, .padding = Padding::same, .activation = "relu"});
  return std::move(
      net.add(MaxPool2d{}).add(Dense{.units = 32, .activation = "relu"}).add(Dense{.units = 5}));
}

Model residual() {
  Model net({8, 8, 3}, "residual");
  net.add(Conv2d{.filters = 8, .padding = Padding::same, .bias = false}, "stem");
  net.add(BatchNorm{}, "norm1").add(Activation{"relu"}, "relu1");
  net.add(Conv2d{.filters = 8, .padding = Padding::same, .bias = false}, "conv2");
  net.add(BatchNorm{}, "norm2").add(Add{}, "sum", {"relu1", "norm2"}).add(Activation{"relu"});
  return std::move(net.add(GlobalAvgPool2d{}).add(Dense{.units = 5}));
}

Model lstm() {
  Model net({12, 6}, "lstm");
  net.add(Lstm{.units = 24, .return_sequences = false});
  return std::move(net.add(Dense{.units = 5}));
}

Model transformer() {
  Model net({12, 6}, "transformer");
  net.add(Dense{.units = 16, .last_axis = true}).add(PositionalEncoding{});
  net.add(TransformerEncoderBlock{.heads = 2, .dropout = 0.1}).add(Mean{});
  return std::move(net.add(Dense{.units = 5}));
}

struct Net {
  const char* name;
  Model (*make)();
};
void PrintTo(const Net& net, std::ostream* out) { *out << net.name; }

class WholeNets : public testing::TestWithParam<Net> {};

constexpr int kLong = 200;

TEST_P(WholeNets, HaveOneHashAfter200StepsOnEveryBackendAndThreadCount) {
  const Trained expected = train(GetParam().make(), {}, kLong, 9);
  EXPECT_LT(mean(expected.losses, 180, 200), 0.8 * mean(expected.losses, 0, 10));
  for (const std::string& name : backend_names()) {
    for (const int threads : {1, 2, 4, 8}) {
      EXPECT_EQ(train(GetParam().make(), {name, threads}, kLong, 9).hash, expected.hash)
          << name << ", " << threads << " threads";
    }
  }
}

/// Means over 20 steps of a bounded backend's losses lie within those of five seeds of the
/// reference, of which one is its own.
TEST_P(WholeNets, LearnFastAsTheReferenceDoes) {
  const auto names = backend_names();
  if (std::ranges::find(names, "onednn") == names.end()) GTEST_SKIP() << "no onednn backend";
  std::vector<Trained> seeds;
  for (std::uint64_t seed = 3; seed < 8; ++seed) {
    seeds.push_back(train(GetParam().make(), {}, kLong, 9, seed));
  }
  const Trained fast = train(GetParam().make(), {"onednn", 2, Numerics::fast}, kLong, 9);
  for (std::size_t begin = 0; begin < kLong; begin += 20) {
    double low = 1e30, high = -1e30;
    for (const Trained& t : seeds) {
      low = std::min(low, mean(t.losses, begin, begin + 20));
      high = std::max(high, mean(t.losses, begin, begin + 20));
    }
    const double slack = 1e-3 * (high - low);  // the own seed may be the lowest or the highest
    const double loss = mean(fast.losses, begin, begin + 20);
    EXPECT_GE(loss, low - slack) << "from step " << begin;
    EXPECT_LE(loss, high + slack) << "from step " << begin;
  }
}

INSTANTIATE_TEST_SUITE_P(Five, WholeNets,
                         testing::Values(Net{"mlp", mlp}, Net{"lenet", lenet},
                                         Net{"residual", residual}, Net{"lstm", lstm},
                                         Net{"transformer", transformer}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace soma
