#include "soma/predictor.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "soma/error.hpp"
#include "soma/philox.hpp"

namespace soma {
namespace {

Model trained_model() {
  Model net({12, 12, 1}, "small");
  net.add(Conv2d{.filters = 8, .kernel = 3, .activation = "relu"}).add(MaxPool2d{});
  net.add(Dense{.units = 20, .activation = "tanh"}).add(Dense{.units = 5});
  net.initialize(2);
  return net;
}

std::vector<float> samples(std::size_t n) {
  const PhiloxStream stream(1, "samples");
  std::vector<float> values(n * 144);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = stream.uniform(0, static_cast<std::uint32_t>(i));
  return values;
}

class PredictorOn : public testing::TestWithParam<std::string> {};

TEST_P(PredictorOn, GivesEachRowTheSameAnswerInAnyBatch) {
  const Model net = trained_model();
  const Backend b = backend(GetParam(), {.numerics = Numerics::exact});
  const Predictor one(net, b), many(net, b, {.max_batch = 11, .threads = 2});
  const auto inputs = samples(11);
  std::vector<float> single(11 * 5), batched(11 * 5);
  for (std::size_t i = 0; i < 11; ++i) {
    one.run({inputs.data() + i * 144, 144}, {single.data() + i * 5, 5});
    EXPECT_NEAR(std::accumulate(&single[i * 5], &single[i * 5] + 5, 0.0), 1, 1e-6);
  }
  for (const std::size_t n : {11u, 1u, 3u, 8u}) {
    std::ranges::fill(batched, -1.0f);
    many.run({inputs.data(), n * 144}, {batched.data(), n * 5});
    EXPECT_TRUE(std::equal(batched.begin(), batched.begin() + static_cast<std::ptrdiff_t>(n * 5),
                           single.begin()))
        << n;
  }
}

TEST_P(PredictorOn, IsSharedByMoreThreadsThanItHasPlaces) {
  const Model net = trained_model();
  const Predictor predict(net, backend(GetParam()), {.concurrency = 2});
  const auto inputs = samples(1);
  std::vector<float> expected(5);
  predict.run(inputs, expected);
  std::vector<int> wrong(6, 0);
  std::vector<std::thread> threads;
  for (int& mistakes : wrong) {
    threads.emplace_back([&predict, &inputs, &expected, &mistakes] {
      std::vector<float> got(5);
      for (int i = 0; i < 300; ++i) {
        predict.run(inputs, got);
        mistakes += got != expected;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, std::vector<int>(6, 0));
}

TEST_P(PredictorOn, RefusesSizesThatDoNotFit) {
  const Model net = trained_model();
  const Predictor predict(net, backend(GetParam()), {.max_batch = 2});
  std::vector<float> in(3 * 144), out(15);
  EXPECT_THROW(predict.run({in.data(), 0}, {out.data(), 0}), ShapeError);
  EXPECT_THROW(predict.run({in.data(), 143}, {out.data(), 5}), ShapeError);
  EXPECT_THROW(predict.run({in.data(), 144}, {out.data(), 4}), ShapeError);
  EXPECT_THROW(predict.run({in.data(), 3 * 144}, {out.data(), 15}), ShapeError);
}

INSTANTIATE_TEST_SUITE_P(Backends, PredictorOn, testing::Values("reference", "tbb", "onednn"),
                         [](const auto& info) { return info.param; });

TEST(PredictorCopies, LaterTrainingDoesNotChangeIt) {
  Model net = trained_model();
  const Predictor predict(net, backend("reference"));
  const auto inputs = samples(1);
  std::vector<float> before(5), after(5);
  predict.run(inputs, before);
  net.initialize(99);
  predict.run(inputs, after);
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace soma
