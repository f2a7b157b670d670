#include "soma/evaluation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

constexpr std::int64_t kSamples = 37, kInputs = 3, kOutputs = 7;

Tensor random_tensor(const Shape& shape, std::uint32_t stream) {
  Tensor tensor(shape);
  const PhiloxStream random(5, "evaluation");
  const auto numbers = tensor.as<float>();
  for (std::uint32_t i = 0; i < numbers.size(); ++i) numbers[i] = random.uniform(stream, i);
  return tensor;
}

Model linear_model(Loss loss) {
  Model net({kInputs}, "linear");
  net.add(Dense{.units = kOutputs}, "fc");
  net.set_loss(loss);
  net.initialize(2);
  return net;
}

std::vector<float> predictions(const Model& net, const Tensor& inputs) {
  const Predictor predict(net, backend("reference"), {.max_batch = kSamples, .concurrency = 1});
  std::vector<float> out(static_cast<std::size_t>(kSamples * kOutputs));
  predict.run(inputs.as<float>(), out);
  return out;
}

TEST(Evaluate, CountsClassesAsOneWouldByHand) {
  Model net = linear_model(Loss::softmax_cross_entropy);
  Tensor inputs = random_tensor({kSamples, kInputs}, 1);
  std::vector<std::int32_t> labels;
  std::vector<std::string> names;
  for (std::int32_t i = 0; i < kSamples; ++i) labels.push_back(i * i % 5);  // 5 and 6 never
  for (int c = 0; c < kOutputs; ++c) names.push_back(std::to_string(c));
  const std::vector<float> p = predictions(net, inputs);
  std::vector<std::int64_t> confusion(kOutputs * kOutputs);
  std::int64_t within_three = 0;
  double log_sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::span row(p.data() + i * kOutputs, static_cast<std::size_t>(kOutputs));
    std::vector<std::size_t> order(row.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](auto a, auto b) { return row[a] > row[b]; });
    const auto truth = static_cast<std::size_t>(labels[i]);
    ++confusion[truth * kOutputs + order[0]];
    within_three += std::find(order.begin(), order.begin() + 3, truth) != order.begin() + 3;
    log_sum -= std::log(row[truth]);
  }
  const Dataset data("made", std::move(inputs), labels, names);
  Trainer trainer(net, backend("reference"));
  for (const std::int64_t batch : {5, 64}) {
    const Evaluation e = trainer.evaluate(data, batch);
    EXPECT_EQ(e.samples, kSamples);
    EXPECT_EQ(e.confusion, confusion);
    EXPECT_DOUBLE_EQ(top_k_accuracy(e, 1), e.accuracy);
    EXPECT_DOUBLE_EQ(top_k_accuracy(e, 3), static_cast<double>(within_three) / kSamples);
    EXPECT_EQ(top_k_accuracy(e, kOutputs), 1);
    EXPECT_EQ(top_k_accuracy(e, 100), 1);
    EXPECT_EQ(top_k_accuracy(e, 0), 0);
    EXPECT_NEAR(*e.cross_entropy, log_sum / kSamples, 1e-6);
    EXPECT_NEAR(*e.cross_entropy, e.loss, 1e-6);
    EXPECT_FALSE(e.errors);
  }
}

TEST(Evaluate, ComparesNumbersAsOneWouldByHand) {
  for (const Loss& loss : {Loss::mean_squared_error, Loss::mean_absolute_error, Loss::huber}) {
    Model net = linear_model(loss);
    Tensor inputs = random_tensor({kSamples, kInputs}, 1);
    Tensor targets = random_tensor({kSamples, kOutputs}, 2);
    for (std::size_t i = 0; i < static_cast<std::size_t>(kSamples); ++i) {
      targets.as<float>()[i * kOutputs] += 1000;  // a column far from zero
    }
    const std::vector<float> y = predictions(net, inputs);
    const auto t = targets.as<float>();
    double absolute = 0, squared = 0, spread = 0;
    for (std::size_t k = 0; k < static_cast<std::size_t>(kOutputs); ++k) {
      double mean = 0;
      for (std::size_t i = k; i < t.size(); i += kOutputs) mean += t[i] / double{kSamples};
      for (std::size_t i = k; i < t.size(); i += kOutputs) {
        absolute += std::fabs(double{y[i]} - t[i]);
        squared += std::pow(double{y[i]} - t[i], 2);
        spread += std::pow(t[i] - mean, 2);
      }
    }
    const double n = kSamples * kOutputs;
    const Dataset data("made", std::move(inputs), std::move(targets));
    const Evaluation e = Trainer(net, backend("reference")).evaluate(data, 8);
    ASSERT_TRUE(e.errors);
    EXPECT_NEAR(e.errors->mean_absolute, absolute / n, 1e-9 * absolute / n);
    EXPECT_NEAR(e.errors->root_mean_square, std::sqrt(squared / n), 1e-9 * std::sqrt(squared / n));
    EXPECT_NEAR(e.errors->r2.value(), 1 - squared / spread, 1e-9 * squared / spread);
    EXPECT_TRUE(e.confusion.empty());
    EXPECT_FALSE(e.cross_entropy);
  }
}

TEST(Evaluate, HasNoR2WhereTargetsDoNotVary) {
  Model net = linear_model(Loss::mean_squared_error);
  const Dataset data("flat", random_tensor({kSamples, kInputs}, 1), Tensor({kSamples, kOutputs}));
  const Evaluation e = Trainer(net, backend("reference")).evaluate(data);
  EXPECT_FALSE(e.errors.value().r2);
  EXPECT_GT(e.errors->root_mean_square, 0);
}

TEST(ClassScores, AreThoseOfTheTextbook) {
  Evaluation e;
  e.confusion = {3, 1, 0,  //
                 2, 4, 0,  //
                 0, 0, 0};
  const auto scores = class_scores(e);
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_DOUBLE_EQ(scores[0].precision, 3.0 / 5);
  EXPECT_DOUBLE_EQ(scores[0].recall, 3.0 / 4);
  EXPECT_DOUBLE_EQ(scores[0].f1, 2 * 0.6 * 0.75 / (0.6 + 0.75));
  EXPECT_EQ(scores[1].support, 6);
  EXPECT_EQ(scores[2].f1, 0);
  const ClassScore mean = macro_average(scores);  // the class that is nowhere does not count
  EXPECT_DOUBLE_EQ(mean.precision, (3.0 / 5 + 4.0 / 5) / 2);
  EXPECT_EQ(mean.support, 10);
  EXPECT_TRUE(class_scores({}).empty());
  EXPECT_EQ(macro_average({}).f1, 0);
}

}  // namespace
}  // namespace soma
