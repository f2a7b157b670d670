// bf16 numerics: who offers them, and that training learns under them what it learns in float32.
#include <gtest/gtest.h>

#include <cmath>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

std::string refusal(const char* name, const BackendOptions& options) {
  try {
    backend(name, options);
  } catch (const UnsupportedError& e) {
    return e.what();
  }
  return "";
}

TEST(Bf16Numerics, AreRefusedByBackendsThatComputeInFloat32Alone) {
  for (const char* name : {"reference", "tbb"}) {
    EXPECT_NE(refusal(name, {.numerics = Numerics::bf16}).find("does not offer bf16 numerics"),
              std::string::npos)
        << name;
  }
}

/// Under bf16 numerics where the CPU has them; elsewhere they have to be refused.
class InBfloat16 : public testing::Test {
 protected:
  void SetUp() override {
    const std::string why = refusal("onednn", {.numerics = Numerics::bf16});
    EXPECT_EQ(why.empty(), __builtin_cpu_supports("avx512bf16") != 0) << why;
    if (!why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(InBfloat16, AutoTakesOneThatHasThem) {
  EXPECT_EQ(backend("auto", {.numerics = Numerics::bf16}).name(), "onednn");
}

TEST_F(InBfloat16, AFallbackComputesInFloat32) {
  const Backend b = backend("onednn", {.numerics = Numerics::bf16, .fallback = "reference"});
  EXPECT_EQ(b.numerics(), Numerics::bf16);
}

constexpr std::int64_t kBatch = 64, kSide = 16, kChannels = 8, kClasses = 10;

struct Batch {
  std::vector<float> images;
  std::vector<std::int32_t> labels;
};

/// Noisy stripes, of another width in each class.
std::vector<Batch> stripes() {
  const PhiloxStream stream(1, "stripes");
  std::vector<Batch> batches(8);
  for (std::uint32_t b = 0; Batch & batch : batches) {
    for (std::uint32_t row = 0; row < kBatch; ++row) {
      batch.labels.push_back(static_cast<std::int32_t>(stream.bits(b, row) % kClasses));
      for (std::uint32_t i = 0; i < kSide * kSide * kChannels; ++i) {
        const float stripe =
            std::sin(0.05f * static_cast<float>(i) * static_cast<float>(batch.labels.back() + 1));
        const float noise = stream.uniform(1000 + b, row * 4096 + i);
        batch.images.push_back(0.3f * stripe + noise - 0.5f);
      }
    }
    ++b;
  }
  return batches;
}

/// The losses of some steps of a net whose products are large enough to be rounded.
std::vector<double> losses(Numerics numerics, std::uint64_t seed) {
  static const std::vector<Batch> batches = stripes();
  Model net({kSide, kSide, kChannels}, "net");
  net.add(Conv2d{.filters = 32, .kernel = 3, .padding = Padding::same, .activation = "relu"})
      .add(MaxPool2d{.size = 2})
      .add(Flatten{})
      .add(Dense{.units = 128, .activation = "relu"})
      .add(Dense{.units = kClasses});
  net.initialize(seed);
  Trainer trainer(
      net, backend("onednn", {.numerics = numerics}),
      {.optimizer = Sgd{.learning_rate = 0.02, .momentum = 0.9}, .seed = seed, .threads = 1});
  std::vector<double> list;
  for (std::size_t step = 0; step < 24; ++step) {
    const Batch& batch = batches[step % batches.size()];
    list.push_back(trainer.step(batch.images, batch.labels));
  }
  return list;
}

double mean_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

// Other first weights change the curve by far more than rounding does.
TEST_F(InBfloat16, TrainingStaysByThatInFloat32) {
  const std::vector<double> fast = losses(Numerics::fast, 1), bf16 = losses(Numerics::bf16, 1);
  ASSERT_LT(fast.back(), 0.2 * fast.front()) << "the net learns";
  EXPECT_NE(fast, bf16);
  EXPECT_LT(mean_distance(bf16, fast), 0.33 * mean_distance(losses(Numerics::fast, 2), fast));
  EXPECT_NEAR(bf16.back(), fast.back(), 0.02);
}

}  // namespace
}  // namespace soma
