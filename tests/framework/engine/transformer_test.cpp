#include <gtest/gtest.h>

#include <cmath>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

constexpr std::int64_t kLength = 7, kWidth = 8;

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

Model classifier(TransformerEncoderBlock block) {
  Model net({kLength, kWidth}, "encoder");
  net.add(std::move(block), "block");
  net.add(Flatten{}, "flat");
  net.add(Dense{.units = 3}, "out");
  return net;
}

/// A causal block, then one that also looks at the input.
Model decoder(TransformerDecoderBlock block) {
  Model net({kLength, kWidth}, "decoder");
  net.add(block, "first");
  net.add(std::move(block), "second", {"first", "input"});
  net.add(Flatten{}, "flat");
  net.add(Dense{.units = 3}, "out");
  return net;
}

struct Batch {
  std::vector<float> inputs;
  std::vector<std::int32_t> labels;
};

Batch make_batch(std::int64_t n, std::uint32_t step = 0) {
  const PhiloxStream stream(6, "sequences");
  Batch batch;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(n * kLength * kWidth); ++i) {
    batch.inputs.push_back(2 * stream.uniform(step, i) - 1);
  }
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(n); ++i) {
    batch.labels.push_back(static_cast<std::int32_t>(stream.bits(step + 1000, i) % 3));
  }
  return batch;
}

std::string train_hash(Model net, const std::string& name, int threads) {
  Trainer trainer(net, exact(name),
                  {.optimizer = Adam{.learning_rate = 0.01}, .seed = 9, .threads = threads});
  for (std::uint32_t step = 0; step < 20; ++step) {
    const Batch batch = make_batch(5, step);
    trainer.step(batch.inputs, batch.labels);
  }
  return net.weights_sha256();
}

template <class Make>
void expect_one_hash(const Make& make) {
  const std::string expected = train_hash(make(), "reference", 1);
  for (const std::string& name : backend_names()) {
    for (const int threads : {1, 2, 3, 8}) {
      EXPECT_EQ(train_hash(make(), name, threads), expected)
          << name << ", " << threads << " threads";
    }
  }
}

TEST(TransformerEncoder, EveryBackendAndThreadCountGivesTheSameWeights) {
  expect_one_hash([] { return classifier({.heads = 2, .dropout = 0.25}); });
  expect_one_hash([] { return classifier({.heads = 4, .units = 12, .pre_norm = false}); });
}

TEST(TransformerDecoder, EveryBackendAndThreadCountGivesTheSameWeights) {
  expect_one_hash([] { return decoder({.heads = 2, .activation = "relu", .dropout = 0.25}); });
  expect_one_hash([] { return decoder({.heads = 1, .bias = false}); });
}

TEST(TransformerEncoder, LearnsWhatNoLinearMapSees) {
  Model net = classifier({.heads = 2});
  Trainer trainer(net, exact("tbb"), {.optimizer = Adam{.learning_rate = 0.01}, .seed = 2});
  constexpr std::uint32_t kSteps = 400, kLast = 50;
  double last = 0;
  for (std::uint32_t step = 0; step < kSteps; ++step) {
    Batch batch = make_batch(16, step);
    for (std::size_t i = 0; i < 16; ++i) {
      // Whether two features of the first position have the same sign.
      const float* x = batch.inputs.data() + i * kLength * kWidth;
      batch.labels[i] = (x[0] > 0) != (x[1] > 0) ? 1 : 0;
    }
    const double loss = trainer.step(batch.inputs, batch.labels);
    if (step >= kSteps - kLast) last += loss / kLast;
  }
  EXPECT_LT(last, 0.5);
}

/// The gradients of all parameters, read off one step of plain SGD with rate 1.
void expect_gradients(Model net) {
  const Batch batch = make_batch(4);
  const auto loss_of = [&](double rate) {
    Trainer trainer(net, exact("reference"), {.optimizer = Sgd{.learning_rate = rate}});
    return trainer.step(batch.inputs, batch.labels);
  };
  net.initialize(3);
  std::vector<std::vector<float>> before;
  for (const Parameter& p : net.parameters()) {
    before.emplace_back(p.value.as<float>().begin(), p.value.as<float>().end());
  }
  loss_of(1.0);
  std::vector<std::vector<double>> gradient;
  for (std::size_t i = 0; i < before.size(); ++i) {
    Parameter& p = net.parameters()[i];
    auto& g = gradient.emplace_back();
    for (std::size_t k = 0; k < before[i].size(); ++k) {
      g.push_back(double{before[i][k]} - p.value.as<float>()[k]);
    }
    std::ranges::copy(before[i], p.value.as<float>().begin());
    ++p.version;
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (std::size_t k = 0; k < before[i].size(); k += 41) {
      const auto moved = [&](float by) {
        Parameter& p = net.parameters()[i];
        p.value.as<float>()[k] = before[i][k] + by;
        ++p.version;
        const double loss = loss_of(0.0);
        p.value.as<float>()[k] = before[i][k];
        ++p.version;
        return loss;
      };
      constexpr float kStep = 1.0f / 256;
      EXPECT_NEAR(gradient[i][k], (moved(kStep) - moved(-kStep)) / (2.0 * kStep), 1e-3)
          << net.parameters()[i].name << "[" << k << "]";
    }
  }
}

TEST(TransformerEncoder, GradientsAgreeWithCentralDifferences) {
  expect_gradients(classifier({.heads = 2}));
  expect_gradients(classifier({.heads = 2, .pre_norm = false}));
}

TEST(TransformerDecoder, GradientsAgreeWithCentralDifferences) {
  expect_gradients(decoder({.heads = 2}));
}

TEST(TransformerDecoder, DoesNotLookAhead) {
  Model net({kLength, kWidth});
  net.add(TransformerDecoderBlock{.heads = 2}, "block");
  net.set_loss(Loss::mean_squared_error);
  net.initialize(1);
  const Predictor predict(net, exact("tbb"));
  std::vector<float> x = make_batch(1).inputs, first(x.size()), second(x.size());
  predict.run(x, first);
  constexpr std::int64_t kChanged = 3;  // the first position that differs
  for (std::size_t i = kChanged * kWidth; i < x.size(); ++i) x[i] = NAN;
  predict.run(x, second);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i < kChanged * kWidth) {
      EXPECT_EQ(first[i], second[i]) << i;
    } else {
      EXPECT_TRUE(std::isnan(second[i])) << i;
    }
  }
}

TEST(CharGpt, HasTheStatedSizeAndOneHashOnEveryBackend) {
  EXPECT_EQ(Model::named("char-gpt").parameter_count(), 804'096);
  const PhiloxStream stream(8, "text");
  std::vector<std::int32_t> text;
  for (std::uint32_t i = 0; i < 2 * 65; ++i) {
    text.push_back(static_cast<std::int32_t>(stream.bits(0, i) % 65));
  }
  std::vector<std::int32_t> inputs, labels;
  for (const std::size_t start : {0, 65}) {
    const auto from = text.begin() + static_cast<std::ptrdiff_t>(start);
    inputs.insert(inputs.end(), from, from + 64);
    labels.insert(labels.end(), from + 1, from + 65);
  }
  std::string expected;
  for (const std::string& name : backend_names()) {
    Model net = Model::named("char-gpt");
    Trainer trainer(net, exact(name),
                    {.optimizer = Adam{.learning_rate = 1e-3}, .seed = 1, .threads = 2});
    for (int step = 0; step < 3; ++step) trainer.step(inputs, labels);
    if (expected.empty()) expected = net.weights_sha256();
    EXPECT_EQ(net.weights_sha256(), expected) << name;
  }
}

TEST(Transformer, ParametersAreNamedAndShapedAsStated) {
  Model net = decoder({.heads = 2});
  net.initialize(1);
  EXPECT_EQ(net.parameter("first.attention.wqkv").value.shape(), (Shape{3 * kWidth, kWidth}));
  EXPECT_EQ(net.parameter("first.feed_forward.w1").value.shape(), (Shape{4 * kWidth, kWidth}));
  EXPECT_EQ(net.parameter("second.cross_attention.bk").value.shape(), (Shape{kWidth}));
  EXPECT_EQ(net.parameter("second.norm3.beta").value.shape(), (Shape{kWidth}));
  EXPECT_THROW(net.parameter("first.norm2.gamma"), ShapeError);
  const Model copy = Model::from_json(net.to_json());
  EXPECT_EQ(copy.to_json(), net.to_json());
}

TEST(Transformer, RefusesWhatDoesNotFit) {
  Model net({kLength, kWidth});
  EXPECT_THROW(net.add(TransformerEncoderBlock{.heads = 3}), ShapeError);
  EXPECT_THROW(net.add(TransformerEncoderBlock{.dropout = 1}), ShapeError);
  EXPECT_THROW(net.add(TransformerEncoderBlock{}, "two", {"input", "input"}), ShapeError);
  EXPECT_THROW(net.add(TransformerDecoderBlock{}, "three", {"input", "input", "input"}),
               ShapeError);
  EXPECT_THROW(Model({12}).add(TransformerDecoderBlock{}), ShapeError);
}

}  // namespace
}  // namespace soma
