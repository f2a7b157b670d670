#include "soma/schedule.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "soma/error.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

double rate(const char* text, std::int64_t step, std::int64_t total = 0) {
  return learning_rate(Schedule(text), {}, 2.0, step, total);
}

TEST(Schedules, HaveTheValuesOfTheirFormulas) {
  EXPECT_EQ(rate("constant", 1000), 2);
  EXPECT_EQ(rate("constant(warmup=4)", 1), 0.5);
  EXPECT_EQ(rate("constant(warmup=4)", 4), 2);
  EXPECT_EQ(rate("step(every=10,factor=0.5)", 10), 2);
  EXPECT_EQ(rate("step(every=10,factor=0.5)", 11), 1);
  EXPECT_EQ(rate("step(every=10,factor=0.5)", 31), 0.25);
  EXPECT_EQ(rate("multistep(at=3/5,factor=0.5)", 3), 2);
  EXPECT_EQ(rate("multistep(at=3/5,factor=0.5)", 4), 1);
  EXPECT_EQ(rate("multistep(at=3/5,factor=0.5)", 6), 0.5);
  EXPECT_EQ(rate("exponential(factor=0.5)", 3), 0.5);
  EXPECT_NEAR(rate("cosine(total=100,min=0.5)", 1), 2, 1e-12);
  EXPECT_NEAR(rate("cosine(total=100,min=0.5)", 51), 1.25, 1e-12);
  EXPECT_EQ(rate("cosine(total=100,min=0.5)", 101), 0.5);
  EXPECT_NEAR(rate("cosine(warmup=10)", 61, 110), 1, 1e-12);
  EXPECT_NEAR(rate("one_cycle(total=100)", 1), 0.08, 1e-12);
  EXPECT_NEAR(rate("one_cycle(total=100)", 30), 2, 1e-12);
  EXPECT_NEAR(rate("one_cycle(total=100)", 100), 8e-6, 1e-12);
  EXPECT_THROW(rate("cosine", 1), StateError);
}

TEST(Schedules, APlateauLowersTheRate) {
  const Schedule schedule("plateau(factor=0.5,patience=1,min=0.3)");
  ScheduleState state;
  const auto after = [&](double loss) {
    observe(schedule, state, loss);
    return learning_rate(schedule, state, 2, 1, 0);
  };
  EXPECT_EQ(after(1.0), 2);
  EXPECT_EQ(after(0.9), 2);
  EXPECT_EQ(after(0.95), 2);
  EXPECT_EQ(after(0.95), 1);
  EXPECT_EQ(after(0.8), 1);
  EXPECT_EQ(after(0.8), 1);
  EXPECT_EQ(after(0.8), 0.5);
  EXPECT_EQ(after(0.8), 0.5);
  EXPECT_EQ(after(0.8), 0.3);
}

TEST(Schedules, ComeBackFromTheirText) {
  for (const char* text : {"constant", "cosine(warmup=100,total=5000,min=1e-05)",
                           "multistep(at=10/20,factor=0.5)", "plateau(patience=3)"}) {
    EXPECT_EQ(Schedule(text).str(), text);
  }
}

TEST(ScheduleErrors, SayWhatIsWrong) {
  const auto message = [](const char* text) {
    try {
      Schedule schedule(text);
    } catch (const ShapeError& e) {
      return std::string(e.what());
    }
    return std::string("nothing was thrown");
  };
  EXPECT_EQ(message("cosin"),
            "schedule \"cosin\": unknown schedule; known are constant, step, multistep, "
            "exponential, cosine, one_cycle, plateau");
  EXPECT_EQ(message("cosine(total=5"), "schedule \"cosine(total=5\": expected ')' at the end");
  EXPECT_EQ(message("cosine(every=5)"),
            "schedule \"cosine(every=5)\": unknown option 'every'; known are total, min, warmup, "
            "each as name=value");
  EXPECT_EQ(message("step"), "schedule \"step\": expected every=...");
  EXPECT_EQ(message("step(every=0)"),
            "schedule \"step(every=0)\": every: expected a number of 1 or more, got \"0\"");
  EXPECT_EQ(message("multistep(at=5/x)"),
            "schedule \"multistep(at=5/x)\": at: expected update numbers as in 100/200");
}

TEST(Schedules, ResumeWithTheSameBits) {
  Tensor inputs({24, 3}), targets({24, 1});
  for (std::size_t i = 0; i < 72; ++i) inputs.as<float>()[i] = static_cast<float>(i % 11) * 0.1f;
  for (std::size_t i = 0; i < 24; ++i) targets.as<float>()[i] = static_cast<float>(i % 5);
  const Dataset data("rows", std::move(inputs), std::move(targets));
  const auto file = std::filesystem::path(testing::TempDir()) / "schedule.safetensors";
  const auto model = [] {
    Model net({3});
    net.add(Dense{.units = 1});
    return std::move(net.set_loss(Loss::mean_squared_error));
  };
  const Backend reference = backend("reference", {.numerics = Numerics::exact});
  for (const char* text : {"cosine(warmup=3)", "plateau(factor=0.5,patience=0,threshold=0.2)",
                           "exponential(factor=0.9)"}) {
    const TrainerOptions options{
        .optimizer = Sgd{.learning_rate = 0.05}, .threads = 1, .schedule = text};
    Model whole = model(), first = model(), second = model();
    Trainer uninterrupted(whole, reference, options);
    const Progress end = uninterrupted.fit(data, {.epochs = 8, .batch = 8});
    EXPECT_LT(end.learning_rate, 0.05) << text;
    Trainer before(first, reference, options);
    std::atomic<bool> stop = false;
    before.fit(data, {.epochs = 8,
                      .batch = 8,
                      .on_step = [&](const Progress& at) { stop = at.step == 13; },
                      .stop = &stop});
    before.save_checkpoint(file);
    Trainer after(second, reference, options);
    after.load_checkpoint(file);
    after.fit(data, {.epochs = 8, .batch = 8});
    EXPECT_EQ(second.weights_sha256(), whole.weights_sha256()) << text;
    Model other = model();
    EXPECT_THROW(Trainer(other, reference).load_checkpoint(file), ShapeError)
        << "another schedule than " << text;
  }
}

}  // namespace
}  // namespace soma
