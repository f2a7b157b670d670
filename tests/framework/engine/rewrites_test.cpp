// What the compiler of programs makes of a graph: fused, folded and reordered nodes, with the same
// bits.
#include <gtest/gtest.h>

#include <algorithm>

#include "soma/memory_plan.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

constexpr std::size_t kBatch = 4;

/// A residual block whose skip is a projection, and one without norms; overlapping pools.
Model residual_net() {
  Model net({9, 9, 3}, "residual");
  net.add(Conv2d{.filters = 16, .kernel = 3, .padding = Padding::same, .bias = false}, "conv1");
  net.add(BatchNorm{}, "norm1").add(Activation{"relu"}, "relu1");
  net.add(Conv2d{.filters = 16, .kernel = 3, .padding = Padding::same}, "conv2");
  net.add(BatchNorm{}, "norm2");
  net.add(Conv2d{.filters = 16, .kernel = 1}, "skip", {"relu1"}).add(BatchNorm{}, "skip_norm");
  net.add(Add{}, "sum", {"norm2", "skip_norm"}).add(Activation{"relu"}, "relu2");
  net.add(Conv2d{.filters = 16, .kernel = 3, .padding = Padding::same}, "conv3");
  net.add(Add{}, "sum2", {"relu2", "conv3"}).add(Activation{"relu"}, "relu3");
  net.add(Conv2d{.filters = 8, .kernel = 1, .activation = "relu"}, "conv4");
  net.add(MaxPool2d{.size = 3, .stride = 2}, "pool");
  net.add(Dense{.units = 12, .activation = "tanh"}, "hidden").add(Dense{.units = 5}, "classes");
  net.initialize(3);
  return net;
}

std::vector<float> numbers(std::size_t n) {
  const PhiloxStream stream(7, "rewrites");
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    values[i] = 2 * stream.uniform(0, static_cast<std::uint32_t>(i)) - 1;
  }
  return values;
}

const std::vector<float>& images() {
  static const std::vector<float> values = numbers(kBatch * 9 * 9 * 3);
  return values;
}
const std::vector<std::int32_t> kLabels = {0, 3, 1, 4};

/// Whoever looks is shown every tensor: nothing is rewritten then.
class Onlooker final : public StepObserver {
 public:
  void after(const StepKernel&) override {}
};

void train(Model& net, const Backend& b, StepObserver* observer = nullptr) {
  Trainer trainer(net, b, {.optimizer = Adam{}, .threads = 2});
  trainer.observe(observer);
  for (int i = 0; i < 3; ++i) trainer.step(images(), kLabels);
}

void expect_same_parameters(const Model& a, const Model& b) {
  ASSERT_EQ(a.parameters().size(), b.parameters().size());
  for (std::size_t p = 0; p < a.parameters().size(); ++p) {
    EXPECT_TRUE(std::ranges::equal(a.parameters()[p].value.as<float>(),
                                   b.parameters()[p].value.as<float>()))
        << a.parameters()[p].name;
  }
}

std::size_t count(const std::vector<Trainer::KernelReport>& kernels, std::string_view start) {
  return static_cast<std::size_t>(
      std::ranges::count_if(kernels, [&](const auto& k) { return k.op.starts_with(start); }));
}

class Rewrites : public testing::TestWithParam<std::string> {
 protected:
  Backend exact() const { return backend(GetParam(), {.numerics = Numerics::exact}); }
};

TEST_P(Rewrites, EndWithTheSameBits) {
  Model rewritten = residual_net(), plain = residual_net();
  const Backend b = exact();
  Onlooker onlooker;
  train(rewritten, b);
  train(plain, b, &onlooker);
  expect_same_parameters(rewritten, plain);

  std::vector<float> p(kBatch * 5), q(p);
  const Predictor predict(rewritten, b, {.max_batch = kBatch});
  predict.run(images(), p);
  const TensorView input = images();
  const std::span<float> outputs[] = {q};
  predict.observed_run({&input, 1}, outputs, onlooker);
  EXPECT_EQ(p, q);
}

INSTANTIATE_TEST_SUITE_P(Backends, Rewrites, testing::Values("reference", "tbb", "onednn"),
                         [](const auto& info) { return info.param; });

TEST(RewritesOfATrainingStep, LeaveNoSumAndNoReluToOpsOfTheirOwn) {
  Model net = residual_net();
  Trainer trainer(net, backend("tbb"));
  const auto rewritten = trainer.kernels(kBatch);
  Onlooker onlooker;
  trainer.observe(&onlooker);
  const auto plain = trainer.kernels(kBatch);
  EXPECT_EQ(count(rewritten, "relu/1.fwd"), 0u);
  EXPECT_EQ(count(rewritten, "add/1.fwd"),
            2u);  // of gradients, where relu1 and relu2 are used twice
  EXPECT_EQ(count(plain, "relu/1.fwd"), 3u);
  EXPECT_EQ(count(plain, "add/1.fwd"), 4u);
  const auto joined = std::ranges::count_if(rewritten, [](const auto& k) {
    return k.op.starts_with("batch_norm/1.fwd") && k.op.find("residual=1") != std::string::npos &&
           k.op.find("activation=relu") != std::string::npos;
  });
  EXPECT_EQ(joined, 1);
  // Of the small tensor behind the pool.
  EXPECT_EQ(count(rewritten, "relu/1.bwd([4,4,4,8]"), 1u);
  EXPECT_EQ(count(plain, "relu/1.bwd([4,9,9,8]"), 1u);
}

TEST(RewritesOfATrainingStep, UpdateEachParameterBeforeTheNextGradient) {
  Model net = residual_net();
  // With the guard, which needs all gradients first, updates wait.
  Trainer trainer(net, backend("tbb"), {.optimizer = Adam{}, .nan_check = NanCheck::none});
  const auto kernels = trainer.kernels(kBatch);
  const auto first_update =
      std::ranges::find_if(kernels, [](const auto& k) { return k.op.starts_with("adam/1.step"); });
  const auto rest = std::ranges::subrange(first_update, kernels.end());
  const auto gradients = std::ranges::count_if(
      rest, [](const auto& k) { return k.op.starts_with("conv2d/1.bwd_weights"); });
  EXPECT_EQ(gradients, 5);
}

TEST(RewritesOfATrainingStep, ComputeLargeGradientsLast) {
  Model net = Model::named("lenet5");
  const auto kernels = Trainer(net, backend("tbb")).kernels(kBatch);
  const auto is = [](const char* start) {
    return [start](const auto& k) { return k.op.starts_with(start); };
  };
  const auto large = std::ranges::find_if(kernels, is("linear/1.bwd_weights([4,3136]"));
  ASSERT_NE(large, kernels.end());
  EXPECT_TRUE(std::next(large)->op.starts_with("adam/1.step")) << std::next(large)->op;
  // This one takes less memory than its operands.
  const auto small = std::ranges::find_if(kernels, is("conv2d/1.bwd_weights([4,28,28,1]"));
  ASSERT_NE(small, kernels.end());
  EXPECT_LT(small, large);
}

TEST(RewritesOfATrainingStep, TakeHardlyMoreMemoryThanIsAliveAtOnce) {
  const Backend b = backend("tbb");
  for (const char* name : {"mlp", "lenet5", "char-lstm"}) {
    Model net = Model::named(name);
    constexpr std::int64_t kSamples = 32;
    const MemoryPlan plan = training_memory(net, b, kSamples, Adam{});
    EXPECT_LE(plan.ideal, plan.planned) << name;
    EXPECT_LE(static_cast<double>(plan.planned), 1.02 * static_cast<double>(plan.ideal)) << name;
    Trainer trainer(net, b, {.optimizer = Adam{}});
    EXPECT_EQ(trainer.planned_bytes(kSamples), plan.planned + plan.packs) << name;
  }
}

std::vector<std::string> ops_of(const StepTimes& step) {
  std::vector<std::string> ops;
  for (const KernelTime& k : step.kernels) ops.push_back(k.op.id);
  return ops;
}

TEST(RewritesOfAPrediction, FoldNormsWhereBitsAreNotPromised) {
  Model net = residual_net();
  train(net, backend("tbb"));
  std::vector<float> exact(kBatch * 5), fast(exact), one(5);
  const TensorView input = images();
  const std::span<float> exact_out[] = {exact}, fast_out[] = {fast};
  const Predictor a(net, backend("onednn", {.numerics = Numerics::exact}), {.max_batch = kBatch});
  const Predictor b(net, backend("onednn"), {.max_batch = kBatch});
  const auto kept = ops_of(a.timed_run({&input, 1}, exact_out));
  const auto folded = ops_of(b.timed_run({&input, 1}, fast_out));
  EXPECT_EQ(std::ranges::count(kept, "batch_norm/1.fwd"), 3);
  EXPECT_EQ(std::ranges::count(folded, "batch_norm/1.fwd"), 0);
  EXPECT_EQ(std::ranges::count(folded, "add/1.fwd"), 0);
  for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(fast[i], exact[i], 1e-5f) << i;
  // Another batch size shares the folded weights.
  b.run(std::span(images()).first(9 * 9 * 3), one);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], exact[i], 1e-5f) << i;
}

}  // namespace
}  // namespace soma
