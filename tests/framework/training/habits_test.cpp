#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "branched_net.hpp"
#include "soma/error.hpp"
#include "soma/transfer.hpp"
#include "temporary_folder.hpp"

namespace soma {
namespace {

Dataset branched_data(std::int64_t n, std::uint64_t seed = 3) {
  const PhiloxStream stream(seed, "habits");
  Tensor inputs({n, 2, 4});
  std::vector<std::int32_t> labels;
  for (std::uint32_t i = 0; i < n * 8; ++i) {
    inputs.as<float>()[i] = 2 * stream.uniform(0, i) - 1;
  }
  for (std::uint32_t i = 0; i < n; ++i) {
    labels.push_back(static_cast<std::int32_t>(stream.bits(1, i) % 3));
  }
  return Dataset("habits", std::move(inputs), std::move(labels), {"a", "b", "c"});
}

Model with_dropout() {
  Model net = branched_net();
  net.add(Dropout{.rate = 0.3}, "drop").add(BatchNorm{}, "norm");
  return net;
}

/// All that habits may change, on.
TrainerOptions all_habits(int threads) {
  return {.optimizer = AdamW{.learning_rate = 0.01},
          .threads = threads,
          .schedule = "cosine(warmup=3,total=40)",
          .regularization = {.clip_norm = 1},
          .average = 0.95,
          .freeze = {"first", "*.bias"}};
}

// 22 samples in batches of 3 and updates of 2 batches: the last update of an epoch is smaller, and
// so is its last batch.
const FitOptions kFit{.batch = 3, .accumulate = 2};

TEST(Habits, GiveTheSameBitsOnEveryBackendAndInAnyParts) {
  const Dataset data = branched_data(22), other = branched_data(9, 4);
  const TemporaryFolder folder;
  std::map<std::string, std::string> first;
  for (const char* name : {"reference", "tbb", "onednn"}) {
    for (const bool parts : {false, true}) {
      Model net = with_dropout();
      FitOptions fit = kFit;
      fit.validation = &other;
      fit.best = folder / "best.safetensors";
      fit.early_stop = {.patience = 5, .min_delta = 0.001};
      std::map<std::string, std::string> seen;
      auto trainer = std::make_unique<Trainer>(net, exact_backend(name), all_habits(1));
      for (const std::int64_t steps : {3, 10, 13, 30}) {
        if (!parts && steps < 30) continue;
        fit.steps = steps;
        trainer->fit(data, fit);
        if (steps == 30) break;
        trainer->save_checkpoint(folder / "checkpoint");
        Model again = with_dropout();
        again.initialize(99);
        net = std::move(again);
        const int threads = steps == 10 ? 1 : 3;
        trainer = std::make_unique<Trainer>(net, exact_backend(steps == 10 ? "tbb" : name),
                                            all_habits(threads));
        trainer->load_checkpoint(folder / "checkpoint");
      }
      seen["weights"] = net.weights_sha256();
      seen["loss"] = std::to_string(trainer->evaluate(other).loss);
      seen["best"] = Model::load(fit.best).weights_sha256();
      seen["epoch"] = std::to_string(trainer->progress().best_epoch);
      trainer->use_average();
      seen["average"] = net.weights_sha256();
      if (first.empty()) first = seen;
      EXPECT_EQ(seen, first) << name << (parts ? ", in parts" : "");
      EXPECT_NE(seen["average"], seen["weights"]);
    }
  }
}

TEST(Average, FollowsTheWeights) {
  Model net = branched_net();
  Trainer trainer(net, exact_backend("tbb"),
                  {.optimizer = Sgd{.learning_rate = 0.5}, .average = 0.6});
  const auto weights = [&] {
    const auto values = std::as_const(net.parameter("b.weight").value).as<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  std::vector<float> average = weights();
  for (int t = 1; t <= 20; ++t) {
    trainer.step(branched_inputs(), branched_labels());
    const auto now = weights();
    const auto share = static_cast<float>(1 - std::min(0.6, (1.0 + t) / (10.0 + t)));
    for (std::size_t i = 0; i < average.size(); ++i) average[i] += share * (now[i] - average[i]);
  }
  const Dataset data = branched_data(12);
  const auto last = weights();
  const double loss = trainer.evaluate(data).loss;
  EXPECT_EQ(weights(), last);
  trainer.use_average();
  EXPECT_EQ(weights(), average);
  Model plain = branched_net();
  transfer_weights(net, plain);
  EXPECT_EQ(Trainer(plain, exact_backend("tbb")).evaluate(data).loss, loss);
}

// The same samples at once or in parts: the same gradient but for the order of its sums.
TEST(Accumulation, IsOneUpdateOfAllItsSamples) {
  const Dataset data = branched_data(20);
  std::map<std::int64_t, std::vector<float>> weights;
  for (const std::int64_t accumulate : {1, 3, 4}) {
    Model net = branched_net();
    Trainer trainer(net, exact_backend("reference"), {.optimizer = Sgd{.learning_rate = 1}});
    // 12 samples, then the other 8; of those, batches of 4 and 3 leave smaller last ones.
    const Progress at =
        trainer.fit(data, {.epochs = 3, .batch = 12 / accumulate, .accumulate = accumulate});
    EXPECT_EQ(at.step, 6);
    EXPECT_EQ(at.samples, 60);
    for (const Parameter& p : std::as_const(net).parameters()) {
      const auto values = p.value.as<float>();
      weights[accumulate].insert(weights[accumulate].end(), values.begin(), values.end());
    }
  }
  for (const std::int64_t accumulate : {3, 4}) {
    EXPECT_NE(weights[accumulate], weights[1]);
    for (std::size_t i = 0; i < weights[1].size(); ++i) {
      EXPECT_NEAR(weights[accumulate][i], weights[1][i], 1e-5);
    }
  }
}

TEST(Freezing, LeavesParametersAsTheyAre) {
  const Dataset data = branched_data(20);
  Model net = branched_net(), start = branched_net();
  net.initialize(1);
  transfer_weights(net, start);
  Trainer trainer(net, exact_backend("tbb"), {.freeze = {"first", "a", "*.bias"}});
  trainer.fit(data, {.epochs = 2, .batch = 4});
  for (const Parameter& p : std::as_const(net).parameters()) {
    const auto values = p.value.as<float>();
    const bool same =
        std::ranges::equal(values, std::as_const(start.parameter(p.name).value).as<float>());
    EXPECT_EQ(same, p.name != "b.weight" && p.name != "out.weight") << p.name;
  }
  // Nothing is computed for layers that are frozen as a whole.
  for (const auto& kernel : trainer.kernels(4)) {
    if (kernel.layer != "first" && kernel.layer != "a") continue;
    EXPECT_EQ(kernel.op.find(".bwd"), std::string::npos) << kernel.layer << " " << kernel.op;
  }
}

TEST(Freezing, RefusesPatternsThatMakeNoSense) {
  Model net = branched_net();
  const auto freeze = [&](std::vector<std::string> patterns) {
    return message_of<StateError>(
        [&] { Trainer(net, exact_backend("reference"), {.freeze = patterns}); });
  };
  EXPECT_NE(freeze({"a", "conv*"}).find("nothing fits 'conv*'; the parameters are first.weight"),
            std::string::npos);
  EXPECT_NE(freeze({"*"}).find("nothing of model 'branched' is left"), std::string::npos);
}

TEST(Transfer, TakesWhatHasTheSameNameAndShape) {
  Model from = branched_net();
  from.initialize(5);
  Model to({2, 4}, "other");
  to.add(Dense{.units = 6}, "first").add(Dense{.units = 6}, "b").add(Dense{.units = 4}, "out");
  const Transfer transfer = transfer_weights(from, to, 1);
  EXPECT_EQ(transfer.taken,
            (std::vector<std::string>{"first.weight", "first.bias", "b.weight", "b.bias"}));
  EXPECT_EQ(transfer.left, (std::vector<std::string>{"out.weight", "out.bias"}));
  EXPECT_TRUE(std::ranges::equal(std::as_const(from.parameter("b.weight").value).as<float>(),
                                 std::as_const(to.parameter("b.weight").value).as<float>()));
  Model stranger({3}, "stranger");
  stranger.add(Dense{.units = 2}, "x");
  EXPECT_THROW(transfer_weights(from, stranger), StateError);
}

TEST(Patterns, StandForNames) {
  EXPECT_TRUE(fits_pattern("conv1.weight", "conv*"));
  EXPECT_TRUE(fits_pattern("conv1.weight", "*.weight"));
  EXPECT_TRUE(fits_pattern("conv1.weight", "c*1*w?ight"));
  EXPECT_TRUE(fits_pattern("", "*"));
  EXPECT_FALSE(fits_pattern("conv1.weight", "conv1"));
  EXPECT_FALSE(fits_pattern("conv1.weight", "*.bias"));
  EXPECT_FALSE(fits_pattern("abc", "abcd"));
}

TEST(EarlyStop, EndsAfterItsPatience) {
  const Dataset data = branched_data(20);
  Model net = branched_net();
  // Nothing changes, so the first epoch stays the best.
  Trainer trainer(net, exact_backend("tbb"), {.optimizer = Sgd{.learning_rate = 0}});
  FitOptions fit{.epochs = 50, .batch = 5, .validation = &data, .early_stop = {.patience = 3}};
  Progress at = trainer.fit(data, fit);
  EXPECT_TRUE(at.stopped_early);
  EXPECT_EQ(at.epoch, 4);
  EXPECT_EQ(at.best_epoch, 0);
  at = trainer.fit(data, fit);  // it has ended
  EXPECT_EQ(at.epoch, 4);
}

class BestModel : public testing::TestWithParam<Watch> {};

TEST_P(BestModel, IsKeptAndRestored) {
  const Dataset data = branched_data(20), other = branched_data(20, 9);
  const TemporaryFolder folder;
  Model net = branched_net();
  Trainer trainer(net, exact_backend("tbb"), {.optimizer = Adam{.learning_rate = 0.1}});
  const bool loss = GetParam() == Watch::loss;
  std::vector<double> figures;
  FitOptions fit{.epochs = 30, .batch = 5, .validation = &other, .watch = GetParam()};
  fit.best = folder / "best.safetensors";
  fit.restore_best = true;
  fit.on_epoch = [&](const Progress&, const Evaluation* e) {
    figures.push_back(loss ? -e->loss : e->accuracy);
  };
  const Progress at = trainer.fit(data, fit);
  const auto best = std::ranges::max_element(figures);
  EXPECT_EQ(at.best_epoch, best - figures.begin());
  EXPECT_LT(figures.back(), *best);  // or it would show nothing
  const Evaluation restored = trainer.evaluate(other);
  EXPECT_EQ(loss ? -restored.loss : restored.accuracy, *best);
  EXPECT_EQ(Model::load(fit.best).weights_sha256(), net.weights_sha256());
}

INSTANTIATE_TEST_SUITE_P(Figures, BestModel, testing::Values(Watch::loss, Watch::accuracy),
                         [](const auto& test) {
                           return std::string(test.param == Watch::loss ? "loss" : "accuracy");
                         });

TEST(FitErrors, SayWhatIsMissing) {
  const Dataset data = branched_data(6);
  Model net = branched_net();
  Trainer trainer(net, exact_backend("reference"));
  FitOptions fit;
  fit.rescue.on_nan = Remedy::rewind;
  EXPECT_THROW(trainer.fit(data, fit), StateError);
  EXPECT_THROW(trainer.fit(data, {.restore_best = true}), StateError);
  EXPECT_THROW(trainer.fit(data, {.accumulate = 0}), ShapeError);
  EXPECT_THROW(Trainer(net, exact_backend("reference"), {.average = 1}), ShapeError);
}

}  // namespace
}  // namespace soma
