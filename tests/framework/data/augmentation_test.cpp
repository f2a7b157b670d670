#include "soma/augmentation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "soma/trainer.hpp"

namespace soma {
namespace {

/// Samples 1, 2, 3, ... of a shape, augmented as rows 0, 1, ... of an epoch.
std::vector<float> augmented(const std::string& how, const Shape& sample, std::int64_t n,
                             std::uint64_t seed = 1, std::int64_t epoch = 0) {
  std::vector<float> values(static_cast<std::size_t>(n * sample.elements()));
  for (std::int64_t i = 0; i < n; ++i) {
    std::iota(values.begin() + i * sample.elements(), values.begin() + (i + 1) * sample.elements(),
              1.0f);
  }
  std::vector<std::int64_t> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> spare(static_cast<std::size_t>(sample.elements()));
  Augmentation::from_text(how).apply(values, sample, rows, seed, epoch, spare);
  return values;
}

TEST(Augmentation, FlipsAboutHalfOfTheImages) {
  const auto values = augmented("flip", {1, 3, 2}, 400);
  int flipped = 0;
  for (std::size_t i = 0; i < values.size(); i += 6) {
    const std::vector<float> image(values.begin() + static_cast<std::ptrdiff_t>(i),
                                   values.begin() + static_cast<std::ptrdiff_t>(i) + 6);
    const bool is = image == std::vector<float>{5, 6, 3, 4, 1, 2};
    flipped += is;
    EXPECT_TRUE(is || image == (std::vector<float>{1, 2, 3, 4, 5, 6}));
  }
  EXPECT_NEAR(flipped, 200, 40);  // four standard deviations
}

TEST(Augmentation, CropsEveryPlaceWithZerosAround) {
  // One bright pixel in the middle of 3x3 can come to any of the nine, or nowhere, with crop=2.
  const auto values = augmented("crop=2", {3, 3, 1}, 3000);
  std::vector<int> met(10);
  for (std::size_t i = 0; i < values.size(); i += 9) {
    const auto image = std::span(values).subspan(i, 9);
    const auto at = std::ranges::find(image, 5.0f) - image.begin();
    ++met[static_cast<std::size_t>(at)];
  }
  for (std::size_t place = 0; place < 9; ++place) EXPECT_NEAR(met[place], 120, 45) << place;
  EXPECT_NEAR(met[9], 3000 * 16 / 25, 110);
}

TEST(Augmentation, ShiftsRepeatTheBorder) {
  const auto values = augmented("shift=1", {4, 1}, 100);  // a sequence
  for (std::size_t i = 0; i < values.size(); i += 4) {
    const std::vector<float> sequence(values.begin() + static_cast<std::ptrdiff_t>(i),
                                      values.begin() + static_cast<std::ptrdiff_t>(i) + 4);
    EXPECT_TRUE(sequence == (std::vector<float>{1, 2, 3, 4}) ||
                sequence == (std::vector<float>{1, 1, 2, 3}) ||
                sequence == (std::vector<float>{2, 3, 4, 4}));
  }
}

TEST(Augmentation, NoiseHasItsDeviation) {
  const auto values = augmented("noise=0.5", {10001}, 2);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double noise = values[i] - static_cast<double>(i % 10001 + 1);
    sum += noise;
    squares += noise * noise;
  }
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0, 5 * 0.5 / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n), 0.5, 0.02);
}

TEST(Augmentation, CutsOutOneSquare) {
  const auto values = augmented("cutout=2", {5, 5, 1}, 500);
  for (std::size_t i = 0; i < values.size(); i += 25) {
    const auto zeros = std::ranges::count(std::span(values).subspan(i, 25), 0.0f);
    EXPECT_TRUE(zeros == 1 || zeros == 2 || zeros == 4) << zeros;
  }
}

TEST(Augmentation, FollowsSeedEpochAndRowAlone) {
  const char* all = "flip,crop=2,shift=1,noise=0.1,cutout=3";
  const Shape sample{6, 5, 3};
  const auto whole = augmented(all, sample, 8);
  EXPECT_EQ(whole, augmented(all, sample, 8));
  EXPECT_NE(whole, augmented(all, sample, 8, 2));
  EXPECT_NE(whole, augmented(all, sample, 8, 1, 1));
  const auto half = augmented(all, sample, 4);
  EXPECT_TRUE(std::ranges::equal(half, std::span(whole).first(half.size())));
}

TEST(Augmentation, IsWrittenAsItIsRead) {
  const Augmentation all = Augmentation::from_text("cutout=8,noise=0.05,shift=2,crop=4,flip");
  EXPECT_EQ(all.str(), "flip,crop=4,shift=2,noise=0.05,cutout=8");
  EXPECT_EQ(Augmentation::from_text(all.str()), all);
  EXPECT_FALSE(Augmentation::from_text("").any());
  for (const char* bad :
       {"flop", "crop", "crop=", "crop=-1", "noise=x", "flip=1", "crop=1.5", ",flip"}) {
    EXPECT_THROW(Augmentation::from_text(bad), ShapeError) << bad;
  }
  EXPECT_THROW(Augmentation::from_text("flip").check({7, 3}), ShapeError);
  EXPECT_THROW(Augmentation::from_text("crop=1").check({7}), ShapeError);
  EXPECT_NO_THROW(Augmentation::from_text("noise=1").check({7}));
}

/// Images large enough to be read ahead by a thread.
Dataset images(std::int64_t n) {
  Tensor inputs({n, 16, 16, 4});
  std::vector<std::int32_t> labels;
  auto values = inputs.as<float>();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i * 7919 % 101) / 101;
  for (std::int64_t i = 0; i < n; ++i) labels.push_back(static_cast<std::int32_t>(i % 3));
  return Dataset("images", std::move(inputs), std::move(labels), {"a", "b", "c"});
}

Model net_for(const Dataset& data) {
  Model net(data.sample_shape(), "net");
  net.add(Flatten{}).add(Dense{.units = data.classes()});
  return net;
}

TEST(ReadAhead, GivesTheBitsOfStepsByHandAndOfAResumedRun) {
  const Dataset data = images(70);
  const FitOptions whole{
      .epochs = 3, .batch = 32, .augmentation = Augmentation::from_text("flip,crop=2")};
  Model straight = net_for(data), paused = net_for(data), plain = net_for(data);
  Trainer(straight, backend("reference"), {.seed = 5}).fit(data, whole);

  const auto file = std::filesystem::temp_directory_path() / "soma-read-ahead.checkpoint";
  {
    Trainer first(paused, backend("reference"), {.seed = 5});
    FitOptions part = whole;
    part.steps = 4;  // within the second epoch
    first.fit(data, part);
    first.save_checkpoint(file);
  }
  Trainer second(paused, backend("reference"), {.seed = 5});
  second.load_checkpoint(file);
  second.fit(data, whole);
  std::filesystem::remove(file);
  EXPECT_EQ(paused.weights_sha256(), straight.weights_sha256());
  EXPECT_GT(second.progress().data_seconds, 0);
  EXPECT_LT(second.progress().data_seconds, second.progress().seconds);

  Trainer(plain, backend("reference"), {.seed = 5}).fit(data, {.epochs = 3, .batch = 32});
  EXPECT_NE(plain.weights_sha256(), straight.weights_sha256());
}

TEST(ReadAhead, EndsWhenTrainingIsLeft) {
  const Dataset data = images(200);
  Model net = net_for(data);
  Trainer trainer(net, backend("reference"));
  FitOptions options{.epochs = 1000, .batch = 32};
  options.on_step = [](const Progress& at) {
    if (at.step == 5) throw StateError("enough");
  };
  EXPECT_THROW(trainer.fit(data, options), StateError);
  std::atomic<bool> stop = true;
  options.on_step = nullptr;
  options.stop = &stop;
  EXPECT_EQ(trainer.fit(data, options).step, 6);
}

}  // namespace
}  // namespace soma
