#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

/// Every layer over images that is not in core.hpp, and the longer forms of those that are.
Model images() {
  Model net({6, 7, 2}, "images");
  net.add(Conv2d{.filters = 4,
                 .activation = "tanh",
                 .kernel_h = 2,
                 .kernel_w = 3,
                 .stride_w = 2,
                 .pad_left = 1,
                 .pad_right = 2},
          "conv");
  net.add(Pad{.padding = "1:0,0:1", .value = 0.5}, "pad");
  net.add(ConvTranspose2d{.filters = 4, .stride = 2, .padding = Padding::same, .groups = 2}, "up");
  net.add(GlobalAvgPool2d{}, "squeeze");
  net.add(Dense{.units = 4, .activation = "sigmoid"}, "excite");
  net.add(Multiply{}, "gate", {"up", "excite"});
  net.add(Upsample2d{.mode = "bilinear", .scale_h = 1}, "wide", {"gate"});
  net.add(AvgPool2d{.size = 3, .stride = 2, .size_h = 1, .stride_h = 1, .ceil = true}, "narrow");
  net.add(Subtract{}, "minus", {"narrow", "up"});
  net.add(Scale{.factor = 0.7, .offset = 0.1}, "scale");
  net.add(Concat{}, "both", {"scale", "gate"});
  net.add(MaxPool2d{.size = 2, .stride = 2, .pad_top = 1, .ceil = true}, "max");
  net.add(Max{.axis = 2}, "columns");
  net.add(Permute{.order = "2,1"}, "turned");
  net.add(Reshape{.shape = "2,-1"}, "halves");
  net.add(Sum{.axis = -1}, "sum");
  net.add(Dense{.units = 6}, "more");
  net.add(Multiply{}, "square", {"more", "more"});
  net.add(Dense{.units = 3}, "out");
  return net;
}

/// Every layer over sequences of ids.
Model tokens(double rate = 0.25) {
  Model net({9}, "tokens");
  net.add(Embedding{.vocab = 6, .units = 4, .padding_idx = 2}, "embed");
  net.add(PositionalEncoding{}, "fixed");
  net.add(PositionalEncoding{.kind = "learned"}, "learned");
  net.add(Dropout{rate}, "drop");
  net.add(Conv1d{.filters = 6, .causal = true, .dilation = 2, .activation = "tanh"}, "conv");
  net.add(AvgPool1d{.size = 3, .stride = 1, .padding = Padding::same}, "average");
  net.add(MaxPool1d{.size = 2}, "max");
  net.add(Mean{}, "mean");
  net.add(Dropout{rate}, "drop2");
  net.add(Dense{.units = 3}, "out");
  return net;
}

/// Every layer of latent.hpp.
Model latent() {
  Model net({6}, "latent");
  net.add(Dense{.units = 5, .activation = "tanh"}, "hidden");
  net.add(Dense{.units = 4}, "mean");
  net.add(Dense{.units = 4}, "log_variance", {"hidden"});
  net.add(GaussianSample{.kl = 0.3}, "draw", {"mean", "log_variance"});
  net.add(GaussianNoise{.deviation = 0.2}, "noise");
  net.add(Dense{.units = 7}, "code");
  net.add(ActivityPenalty{.l1 = 0.05, .l2 = 0.1}, "sparse");
  net.add(Dense{.units = 3}, "out");
  return net;
}

struct Batch {
  std::vector<float> inputs;
  std::vector<std::int32_t> labels;
};

Batch batch_for(const Model& net, std::int64_t n, std::uint32_t step = 0) {
  const PhiloxStream stream(5, net.name());
  const bool ids = net.name() == "tokens";
  Batch batch;
  const std::int64_t count = n * net.input_shape().elements();
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(count); ++i) {
    batch.inputs.push_back(ids ? static_cast<float>(stream.bits(step, i) % 6)
                               : 2 * stream.uniform(step, i) - 1);
  }
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(n); ++i) {
    batch.labels.push_back(static_cast<std::int32_t>(stream.bits(step + 1000, i) % 3));
  }
  return batch;
}

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

class StructureGradient : public testing::TestWithParam<Model (*)()> {};

/// The gradient, read off one step of plain SGD with rate 1, against central differences of the
/// loss. The mask of a dropout is that of the first step each time.
TEST_P(StructureGradient, AgreesWithCentralDifferences) {
  Model net = GetParam()();
  net.initialize(3);
  const Batch batch = batch_for(net, 4);
  const auto loss_of = [&](double rate) {
    Trainer trainer(net, exact("reference"), {.optimizer = Sgd{.learning_rate = rate}});
    return trainer.step(batch.inputs, batch.labels);
  };
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
  loss_of(1.0);
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
  // Maxima have kinks: where halving the step moves the difference, it says nothing.
  int checked = 0, seen = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (!net.parameters()[i].trainable) continue;
    for (std::size_t k = 0; k < before[i].size(); k += 3) {
      const auto moved = [&](float by) {
        restore();
        net.parameters()[i].value.as<float>()[k] += by;
        return loss_of(0.0);
      };
      const auto difference = [&](float h) { return (moved(h) - moved(-h)) / (2.0 * h); };
      const double coarse = difference(1.0f / 256), fine = difference(1.0f / 512);
      ++seen;
      if (std::abs(coarse - fine) > 1e-3 * largest) continue;
      ++checked;
      EXPECT_NEAR(gradient[i][k], fine, 2e-3 * largest + 1e-4)
          << std::as_const(net).parameters()[i].name << "[" << k << "]";
    }
  }
  EXPECT_GT(checked, seen * 3 / 4);
}

std::string net_name(const testing::TestParamInfo<Model (*)()>& info) {
  constexpr const char* kNames[] = {"Images", "Tokens", "Latent"};
  return kNames[info.index];
}

INSTANTIATE_TEST_SUITE_P(Nets, StructureGradient,
                         testing::Values(
                             +[] { return images(); }, +[] { return tokens(); },
                             +[] { return latent(); }),
                         net_name);

std::string hash_after(Model net, const std::string& on, int threads, int steps) {
  Trainer trainer(net, exact(on),
                  {.optimizer = Adam{.learning_rate = 0.01}, .seed = 7, .threads = threads});
  for (int step = 0; step < steps; ++step) {
    const Batch batch = batch_for(net, 17, static_cast<std::uint32_t>(step));
    trainer.step(batch.inputs, batch.labels);
  }
  return net.weights_sha256();
}

TEST(StructureTraining, EveryBackendAndThreadCountGivesTheSameWeights) {
  const std::string image_hash = hash_after(images(), "reference", 1, 5);
  const std::string token_hash = hash_after(tokens(), "reference", 1, 5);
  const std::string latent_hash = hash_after(latent(), "reference", 1, 5);
  for (const std::string& name : backend_names()) {
    for (const int threads : {1, 2, 3}) {
      EXPECT_EQ(hash_after(images(), name, threads, 5), image_hash) << name << threads;
      EXPECT_EQ(hash_after(tokens(), name, threads, 5), token_hash) << name << threads;
      EXPECT_EQ(hash_after(latent(), name, threads, 5), latent_hash) << name << threads;
    }
  }
}

std::vector<float> predict(const Model& net, std::span<const float> inputs) {
  const Predictor predictor(net, exact("reference"), {.max_batch = 8, .probabilities = false});
  std::vector<float> outputs(inputs.size() / static_cast<std::size_t>(predictor.input_size()) *
                             static_cast<std::size_t>(predictor.output_size()));
  predictor.run(inputs, outputs);
  return outputs;
}

TEST(Dropout, DoesNothingInInference) {
  Model with = tokens(0.5), without = tokens(0.0);
  with.initialize(1);
  without.initialize(1);
  const Batch batch = batch_for(with, 5);
  EXPECT_EQ(predict(with, batch.inputs), predict(without, batch.inputs));
}

TEST(Dropout, DrawsAMaskPerUpdateSeedAndLayer) {
  const auto first_loss = [](double rate, std::uint64_t seed, int updates) {
    Model net = tokens(rate);
    net.initialize(1);
    const Batch batch = batch_for(net, 8);
    Trainer trainer(net, exact("reference"), {.optimizer = Sgd{.learning_rate = 0}, .seed = seed});
    double loss = 0;
    for (int i = 0; i < updates; ++i) loss = trainer.step(batch.inputs, batch.labels);
    return loss;
  };
  EXPECT_EQ(first_loss(0.5, 1, 1), first_loss(0.5, 1, 1));
  EXPECT_NE(first_loss(0.5, 1, 1), first_loss(0.5, 1, 2));
  EXPECT_NE(first_loss(0.5, 1, 1), first_loss(0.5, 2, 1));
  EXPECT_EQ(first_loss(0.0, 1, 1), first_loss(0.0, 2, 2));

  // A batch of equal samples through two layers: equal masks would be zero at the same places.
  Model net({64}, "two");
  net.add(Dropout{0.5}, "a")
      .add(Dropout{0.5}, "b", {"input"})
      .add(Subtract{}, "difference", {"a", "b"});
  net.add(Dense{.units = 2}, "out");
  net.initialize(1);
  Trainer trainer(net, exact("reference"), {.optimizer = Sgd{.learning_rate = 0}});
  EXPECT_NE(trainer.step(std::vector<float>(64, 1.0f), std::vector<std::int32_t>{0}),
            std::log(2.0));
}

TEST(Dropout, AResumedRunDrawsTheSameMasks) {
  const auto file = std::filesystem::path(testing::TempDir()) / "dropout.safetensors";
  const TrainerOptions options{.optimizer = Adam{.learning_rate = 0.01}, .seed = 7};
  Model first = tokens(), second = tokens();
  Trainer before(first, exact("reference"), options);
  for (std::uint32_t step = 0; step < 2; ++step) {
    const Batch batch = batch_for(first, 17, step);
    before.step(batch.inputs, batch.labels);
  }
  before.save_checkpoint(file);
  Trainer after(second, exact("reference"), options);
  after.load_checkpoint(file);
  for (std::uint32_t step = 2; step < 5; ++step) {
    const Batch batch = batch_for(second, 17, step);
    after.step(batch.inputs, batch.labels);
  }
  EXPECT_EQ(second.weights_sha256(), hash_after(tokens(), "reference", 1, 5));
}

TEST(PositionalEncoding, TheSinusoidIsRightStaysAndIsSaved) {
  Model net = tokens();
  net.initialize(3);
  const auto code = [](Model& from) {
    const auto values = from.parameter("fixed.weight").value.as<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  const std::vector<float> before = code(net);
  for (std::size_t t = 0; t < 9; ++t) {
    for (std::size_t k = 0; k < 4; ++k) {
      const double angle =
          static_cast<double>(t) / std::pow(10000.0, static_cast<double>(k / 2 * 2) / 4);
      EXPECT_NEAR(before[t * 4 + k], k % 2 == 0 ? std::sin(angle) : std::cos(angle), 1e-5);
    }
  }
  Trainer trainer(net, exact("reference"), {.optimizer = Adam{.learning_rate = 0.1}});
  const Batch batch = batch_for(net, 8);
  trainer.step(batch.inputs, batch.labels);
  EXPECT_EQ(code(net), before);
  const auto file = std::filesystem::path(testing::TempDir()) / "tokens.safetensors";
  net.save(file);
  Model loaded = Model::load(file);
  EXPECT_EQ(code(loaded), before);
  EXPECT_FALSE(loaded.parameter("fixed.weight").trainable);
  EXPECT_EQ(predict(loaded, batch.inputs), predict(net, batch.inputs));
}

TEST(Embedding, RefusesWhatIsNoId) {
  Model net = tokens();
  net.initialize(1);
  std::vector<float> ids(9, 1.0f);
  for (const float wrong : {0.5f, -1.0f, 6.0f, 1e10f}) {
    ids[4] = wrong;
    EXPECT_THROW(predict(net, ids), Error) << wrong;
  }
}

TEST(Embedding, ThePaddingRowIsZeroAndIsNotTrained) {
  Model net({1}, "padded");
  net.add(Embedding{.vocab = 3, .units = 2, .padding_idx = 1}, "embed");
  net.initialize(1);
  EXPECT_EQ(predict(net, std::vector<float>{1.0f}), (std::vector<float>{0.0f, 0.0f}));
  EXPECT_NE(predict(net, std::vector<float>{2.0f}), (std::vector<float>{0.0f, 0.0f}));
}

TEST(Conv1d, ACausalOneSeesNothingAfterItself) {
  Model net({9, 2}, "causal");
  net.add(Conv1d{.filters = 3, .kernel = 3, .causal = true, .dilation = 2}, "conv");
  net.initialize(1);
  EXPECT_EQ(net.output_shape(), (Shape{9, 3}));
  std::vector<float> inputs(18, 1.0f);
  const auto before = predict(net, inputs);
  inputs[5 * 2] = 4.0f;  // position 5
  const auto after = predict(net, inputs);
  for (std::size_t t = 0; t < 9; ++t) {
    const bool same = before[3 * t] == after[3 * t] && before[3 * t + 1] == after[3 * t + 1];
    EXPECT_EQ(same, t < 5 || t == 6 || t == 8) << t;
  }
}

TEST(WindowLayers, HaveTheShapesTheySay) {
  const auto shape_of = [](const Shape& input, auto layer) {
    return Model(input).add(layer).output_shape();
  };
  const Shape image{7, 9, 4};
  EXPECT_EQ(shape_of(image, Conv2d{.filters = 5, .kernel_h = 1, .stride_h = 2}), (Shape{4, 7, 5}));
  EXPECT_EQ(shape_of(image, Conv2d{.filters = 5, .pad_top = 2, .pad_right = 1}), (Shape{7, 8, 5}));
  EXPECT_EQ(shape_of(image, MaxPool2d{.size = 2}), (Shape{3, 4, 4}));
  EXPECT_EQ(shape_of(image, MaxPool2d{.size = 2, .ceil = true}), (Shape{4, 5, 4}));
  EXPECT_EQ(shape_of(image, MaxPool2d{.size = 1, .stride = 4, .ceil = true}), (Shape{2, 3, 4}));
  EXPECT_EQ(shape_of(image, AvgPool2d{.size_w = 3}), (Shape{3, 3, 4}));
  EXPECT_EQ(shape_of(image, ConvTranspose2d{.filters = 3, .stride = 2}), (Shape{15, 19, 3}));
  EXPECT_EQ(shape_of(image, ConvTranspose2d{.filters = 3, .stride = 2, .output_padding = 1}),
            (Shape{16, 20, 3}));
  EXPECT_EQ(shape_of(image, ConvTranspose2d{.filters = 3, .stride = 2, .padding = Padding::same}),
            (Shape{14, 18, 3}));
  EXPECT_EQ(shape_of(image, GlobalMaxPool2d{}), (Shape{4}));
  EXPECT_EQ(shape_of(image, Upsample2d{.scale_w = 3}), (Shape{14, 27, 4}));
  EXPECT_EQ(shape_of({9, 4}, Conv1d{.filters = 2, .stride = 2, .padding = Padding::same}),
            (Shape{5, 2}));
  EXPECT_EQ(shape_of({9, 4}, MaxPool1d{}), (Shape{4, 4}));
  EXPECT_THROW(shape_of(image, Conv2d{.filters = 5, .padding = Padding::same, .pad_top = 1}),
               ShapeError);
  EXPECT_THROW(shape_of(image, AvgPool2d{.include_pad = true, .ceil = true}), ShapeError);
  EXPECT_THROW(shape_of(image, ConvTranspose2d{.filters = 3, .output_padding = 1}), ShapeError);
  EXPECT_THROW(shape_of(image, Permute{.order = "1,1,2"}), ShapeError);
  EXPECT_THROW(shape_of(image, Reshape{.shape = "5,-1"}), ShapeError);
  EXPECT_THROW(shape_of(image, Mean{.axis = 0}), ShapeError);
  EXPECT_THROW(shape_of(image, Dropout{1.5}), ShapeError);
}

TEST(StructureLayers, SurviveTheModelFile) {
  for (const auto make : {+[] { return images(); }, +[] { return tokens(); }}) {
    const Model net = make();
    EXPECT_EQ(Model::from_json(net.to_json()).to_json(), net.to_json());
  }
  const Model whole = Model::from_json(
      R"({"soma_model": 1, "input": [4], "layers": [{"type": "dropout", "rate": 1}]})");
  EXPECT_EQ(whole.output_shape(), (Shape{4}));
}

}  // namespace
}  // namespace soma
