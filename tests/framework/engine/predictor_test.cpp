#include "soma/predictor.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <thread>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/trainer.hpp"

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

/// How often each thread of this process but the calling one was given a CPU.
std::map<std::string, std::string> turns_of_other_threads() {
  std::map<std::string, std::string> turns;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    const std::string id = task.path().filename().string();
    if (id == std::to_string(gettid())) continue;
    std::ifstream file(task.path() / "status");
    for (std::string line; std::getline(file, line);) {
      if (line.find("ctxt_switches") != std::string::npos) turns[id] += line + "\n";
    }
  }
  return turns;
}
/// The same once they are idle: a runtime's workers look for more work for a while.
std::map<std::string, std::string> turns_when_idle() {
  auto turns = turns_of_other_threads();
  for (int i = 0; i < 100; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    auto later = turns_of_other_threads();
    if (later == turns) break;
    turns = std::move(later);
  }
  return turns;
}

TEST_P(PredictorOn, WakesNoWorkerForATinyNet) {
  Model net({16}, "tiny");
  net.add(Dense{.units = 32, .activation = "tanh"}).add(Dense{.units = 32, .activation = "tanh"});
  net.add(Dense{.units = 1});
  net.initialize(5);
  const Backend b = backend(GetParam());
  const Predictor predict(net, b, {.max_batch = 1, .threads = 2});
  net.set_loss(Loss::mean_squared_error);
  Trainer trainer(net, b, {.optimizer = Adam{}, .threads = 2});
  const std::vector<float> x(4 * 16, 0.5f), y(4, 1.0f);
  std::vector<float> out(1);
  predict.run({x.data(), 16}, out);
  trainer.step(x, y);
  const auto before = turns_when_idle();
  for (int i = 0; i < 100; ++i) {
    predict.run({x.data(), 16}, out);
    trainer.step(x, y);
  }
  EXPECT_EQ(turns_of_other_threads(), before);

  // A larger one does, sooner or later on a busy machine, unless the backend has one thread only.
  const bool serial = GetParam() == "reference";
  const Predictor batch(trained_model(), b, {.max_batch = 256, .threads = 2});
  const auto inputs = samples(256);
  std::vector<float> classes(256 * 5);
  bool woken = false;
  for (int i = 0; i < (serial ? 1 : 500) && !woken; ++i) {
    batch.run(inputs, classes);
    woken = turns_of_other_threads() != before;
  }
  EXPECT_NE(woken, serial);
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
