#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "branched_net.hpp"
#include "temporary_folder.hpp"

namespace soma {
namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Snapshot, IsTheCheckpointOfItsMomentWheneverItIsWritten) {
  const TemporaryFolder folder;
  Model net = branched_net();
  const TrainerOptions options{
      .optimizer = Adam{}, .schedule = "cosine(warmup=3,total=90)", .average = 0.9};
  Trainer trainer(net, exact_backend("reference"), options);
  const auto train = [&](int steps) {
    for (int i = 0; i < steps; ++i) trainer.step(branched_inputs(), branched_labels());
  };
  train(3);
  trainer.save_checkpoint(folder / "then");
  std::function<void(const std::filesystem::path&)> write = trainer.snapshot();
  std::thread writer([&] { write(folder / "later"); });
  train(50);  // while it is written
  writer.join();
  trainer.save_checkpoint(folder / "now");
  EXPECT_EQ(bytes_of(folder / "later"), bytes_of(folder / "then"));
  EXPECT_NE(bytes_of(folder / "now"), bytes_of(folder / "then"));
  trainer.load_checkpoint(folder / "later");
  EXPECT_EQ(trainer.progress().step, 3);
  write(folder / "later");  // as often as one likes
  EXPECT_EQ(bytes_of(folder / "later.previous"), bytes_of(folder / "then"));
}

// Whoever writes an early snapshot late leaves the best model of a later epoch alone.
TEST(Snapshot, HoldsTheBestModelOfItsMomentAndNeverGoesBackToIt) {
  const TemporaryFolder folder;
  Tensor inputs({12, 2, 4});
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 12; ++i) {
    labels.push_back(i % 3);
    inputs.as<float>()[static_cast<std::size_t>(8 * i + i % 3)] = 1;
  }
  const Dataset data("snapshot", std::move(inputs), std::move(labels), {"a", "b", "c"});
  Model net = branched_net();
  Trainer trainer(net, exact_backend("reference"), {.optimizer = Adam{.learning_rate = 0.01}});
  FitOptions fit{.epochs = 3, .batch = 4, .best = folder / "best"};
  std::vector<std::function<void(const std::filesystem::path&)>> writers;
  std::vector<std::string> weights;
  fit.on_epoch = [&](const Progress&, const Evaluation*) {
    writers.push_back(trainer.snapshot());
    weights.push_back(net.weights_sha256());
    EXPECT_FALSE(std::filesystem::exists(fit.best));  // that is up to who writes the snapshots
    if (weights.size() != 2) return;
    writers[0](folder / "checkpoint");
    EXPECT_EQ(Model::load(fit.best).weights_sha256(), weights[0]);
    std::filesystem::remove(fit.best);
  };
  trainer.fit(data, fit);
  ASSERT_EQ(trainer.progress().best_epoch, 2);  // of 0 to 2
  EXPECT_EQ(Model::load(fit.best).weights_sha256(), weights[2]);
  writers[1](folder / "checkpoint");
  EXPECT_EQ(Model::load(fit.best).weights_sha256(), weights[2]);
}

}  // namespace
}  // namespace soma
