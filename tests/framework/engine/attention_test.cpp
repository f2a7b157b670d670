#include <gtest/gtest.h>

#include <cmath>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

constexpr std::int64_t kLength = 9, kWidth = 12;

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

/// Attention to itself, to another sequence, and with keys and values of their own.
Model three_attentions() {
  Model net({kLength, kWidth}, "three_attentions");
  net.add(MultiHeadAttention{.heads = 3, .causal = true}, "self");
  net.add(MultiHeadAttention{.heads = 2, .dim = 8, .bias = false}, "cross", {"self", "input"});
  net.add(MultiHeadAttention{.heads = 1, .dim = 4}, "full", {"cross", "self", "input"});
  net.add(Flatten{}, "flat");
  net.add(Dense{.units = 3}, "out");
  return net;
}

struct Batch {
  std::vector<float> inputs;
  std::vector<std::int32_t> labels;
};

Batch make_batch(std::int64_t n, std::uint32_t step = 0) {
  const PhiloxStream stream(5, "sequences");
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

TEST(Attention, EveryBackendAndThreadCountGivesTheSameWeights) {
  const std::string expected = train_hash(three_attentions(), "reference", 1);
  for (const std::string& name : backend_names()) {
    for (const int threads : {1, 2, 3, 8}) {
      EXPECT_EQ(train_hash(three_attentions(), name, threads), expected)
          << name << ", " << threads << " threads";
    }
  }
}

/// The gradients of all parameters, read off one step of plain SGD with rate 1.
TEST(Attention, GradientsAgreeWithCentralDifferences) {
  const Batch batch = make_batch(4);
  const auto loss_of = [&](Model& net, double rate) {
    Trainer trainer(net, exact("reference"), {.optimizer = Sgd{.learning_rate = rate}});
    return trainer.step(batch.inputs, batch.labels);
  };
  Model net = three_attentions();
  net.initialize(3);
  std::vector<std::vector<float>> before;
  for (const Parameter& p : net.parameters()) {
    before.emplace_back(p.value.as<float>().begin(), p.value.as<float>().end());
  }
  loss_of(net, 1.0);
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
    double largest = 0;
    for (const double g : gradient[i]) largest = std::max(largest, std::abs(g));
    // The bias of keys moves all scores of a query alike: softmax does not see it.
    const std::string name = net.parameters()[i].name;
    if (!name.ends_with(".bk")) {
      EXPECT_GT(largest, 1e-4) << name;
    }
    for (std::size_t k = 0; k < before[i].size(); k += 7) {
      const auto moved = [&](float by) {
        Parameter& p = net.parameters()[i];
        p.value.as<float>()[k] = before[i][k] + by;
        ++p.version;
        const double loss = loss_of(net, 0.0);
        p.value.as<float>()[k] = before[i][k];
        ++p.version;
        return loss;
      };
      constexpr float kStep = 1.0f / 128;
      EXPECT_NEAR(gradient[i][k], (moved(kStep) - moved(-kStep)) / (2.0 * kStep), 3e-4)
          << name << "[" << k << "]";
    }
  }
}

TEST(Attention, CausalOutputsDoNotDependOnLaterPositions) {
  Model net({kLength, kWidth});
  net.add(MultiHeadAttention{.heads = 4, .causal = true}, "self");
  net.set_loss(Loss::mean_squared_error);
  net.initialize(1);
  const Predictor predict(net, exact("tbb"));
  std::vector<float> x = make_batch(1).inputs, first(x.size()), second(x.size());
  predict.run(x, first);
  constexpr std::int64_t kChanged = 5;  // the first position that differs
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

TEST(Attention, ParametersAreNamedAndShapedAsStated) {
  Model net = three_attentions();
  net.initialize(1);
  EXPECT_EQ(net.parameter("self.wqkv").value.shape(), (Shape{3 * kWidth, kWidth}));
  EXPECT_EQ(net.parameter("self.bqkv").value.shape(), (Shape{3 * kWidth}));
  EXPECT_EQ(net.parameter("cross.wk").value.shape(), (Shape{8, kWidth}));
  EXPECT_EQ(net.parameter("full.wo").value.shape(), (Shape{kWidth, 4}));
  EXPECT_THROW(net.parameter("cross.bo"), ShapeError);
  const Model copy = Model::from_json(net.to_json());
  EXPECT_EQ(copy.to_json(), net.to_json());
}

TEST(Attention, RefusesWhatDoesNotFit) {
  Model net({kLength, kWidth});
  EXPECT_THROW(net.add(MultiHeadAttention{.heads = 5}), ShapeError);
  EXPECT_THROW(net.add(MultiHeadAttention{.heads = 3, .dim = 8}), ShapeError);
  EXPECT_THROW(Model({12}).add(MultiHeadAttention{}), ShapeError);
  EXPECT_THROW(net.add(MultiHeadAttention{}, "four", {"input", "input", "input", "input"}),
               ShapeError);
}

}  // namespace
}  // namespace soma
