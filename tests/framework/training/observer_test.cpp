#include <gtest/gtest.h>

#include <map>

#include "branched_net.hpp"
#include "soma/error.hpp"
#include "soma/predictor.hpp"

namespace soma {
namespace {

/// Writes down what it is shown.
class Notes final : public StepObserver {
 public:
  void before(const StepKernel& kernel) override {
    EXPECT_EQ(kernel.number, kernels);
    for (const StepTensor& t : kernel.inputs) {
      EXPECT_FALSE(t.name.empty());
      EXPECT_NE(t.bytes.data(), nullptr) << t.name;
    }
  }
  void after(const StepKernel& kernel) override {
    ++kernels;
    for (const StepTensor& t : kernel.outputs) {
      EXPECT_EQ(t.bytes.size(), static_cast<std::size_t>(t.shape.elements()) * 4) << t.name;
      auto& to = tensors[std::string(name_of(kernel.phase)) + " " + std::string(kernel.layer) +
                         ": " + std::string(t.name)];
      to.assign(t.bytes.begin(), t.bytes.end());
      order.emplace_back(t.name);
    }
    step = kernel.step;
  }
  std::size_t kernels = 0;
  std::int64_t step = 0;
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::byte>> tensors;
};

TEST(StepObserver, IsShownEveryTensorByName) {
  Model net = branched_net();
  Trainer trainer(net, exact_backend("reference"), {.optimizer = Adam{}});
  Notes notes;
  trainer.observe(&notes);
  trainer.step(branched_inputs(), branched_labels());
  EXPECT_EQ(notes.step, 1);
  EXPECT_EQ(notes.kernels, trainer.kernels(kBranchedBatch).size());
  for (const char* key :
       {"forward a: a.output", "forward b: b.output", "forward sum: sum.output",
        "forward out: out.output", "forward loss: loss", "backward out: gradient of out.weight",
        "backward out: gradient of sum.output", "backward b: gradient of b.bias",
        "update optimizer: a.weight", "update optimizer: optimizer.m.a.weight",
        "update optimizer: optimizer.v.out.bias"}) {
    EXPECT_TRUE(notes.tensors.contains(key)) << key;
  }
  trainer.observe(nullptr);
  const std::size_t before = notes.kernels;
  trainer.step(branched_inputs(), branched_labels());
  EXPECT_EQ(notes.kernels, before);
}

TEST(StepObserver, SeesTheSameBitsOnEveryBackendAndChangesNone) {
  std::map<std::string, std::vector<std::byte>> first;
  std::string hash;
  for (const char* name : {"reference", "tbb", "onednn"}) {
    Model net = branched_net(), plain = branched_net();
    Trainer trainer(net, exact_backend(name), {.threads = 2});
    Trainer unseen(plain, exact_backend(name), {.threads = 1});
    Notes notes;
    trainer.observe(&notes);
    trainer.step(branched_inputs(), branched_labels());
    unseen.step(branched_inputs(), branched_labels());
    if (first.empty()) first = notes.tensors;
    EXPECT_EQ(notes.tensors, first) << name;
    EXPECT_EQ(net.weights_sha256(), plain.weights_sha256()) << name;
  }
}

TEST(StepObserver, IsShownTheKernelsOfAPrediction) {
  Model net = branched_net();
  net.initialize(1);
  const Predictor predict(net, exact_backend("reference"), {.max_batch = kBranchedBatch});
  const auto inputs = branched_inputs();
  const TensorView input = inputs;
  std::vector<float> scores(kBranchedBatch * 3), plain(kBranchedBatch * 3);
  const std::span<float> outputs[] = {scores};
  Notes notes;
  predict.observed_run({&input, 1}, outputs, notes);
  predict.run(inputs, plain);
  EXPECT_EQ(scores, plain);
  EXPECT_EQ(notes.step, 0);
  EXPECT_TRUE(notes.tensors.contains("forward sum: sum.output"));
}

TEST(Hooks, ReadAndReplaceAnOutput) {
  Model net = branched_net();
  net.initialize(1);
  Predictor predict(net, exact_backend("reference"),
                    {.max_batch = kBranchedBatch, .probabilities = false});
  std::vector<float> seen, scores(kBranchedBatch * 3);
  predict.on_forward("out", [&](const HookedTensor& t) {
    EXPECT_EQ(t.shape, Shape({kBranchedBatch, 3}));
    seen.assign(t.values.begin(), t.values.end());
  });
  predict.run(branched_inputs(), scores);
  EXPECT_EQ(seen, scores);

  // Nothing but the bias of the last layer is left.
  net.parameter("out.bias").value.as<float>()[1] = 7;
  Predictor cut(net, exact_backend("reference"),
                {.max_batch = kBranchedBatch, .probabilities = false});
  cut.on_forward("sum", [](const HookedTensor& t) { std::ranges::fill(t.values, 0.0f); });
  cut.run(branched_inputs(), scores);
  for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_EQ(scores[i], i % 3 == 1 ? 7.0f : 0.0f);
}

class HooksOnEveryBackend : public testing::TestWithParam<const char*> {};

// Both branches of a sum share the tensor of their gradient, unless a hook is on one of them.
TEST_P(HooksOnEveryBackend, AGradientIsReplacedForOneBranchAlone) {
  const auto train = [&](const char* hooked, std::map<std::string, std::vector<float>>& weights) {
    Model net = branched_net();
    Trainer trainer(net, exact_backend(GetParam()), {.optimizer = Sgd{.learning_rate = 1}});
    int calls = 0;
    if (*hooked != '\0') {
      trainer.on_backward(hooked, [&](const HookedTensor& t) {
        EXPECT_EQ(t.layer, hooked);
        EXPECT_EQ(t.step, 1);
        EXPECT_EQ(t.shape, Shape({kBranchedBatch, 6}));
        std::ranges::fill(t.values, 0.0f);
        ++calls;
      });
    }
    trainer.step(branched_inputs(), branched_labels());
    EXPECT_EQ(calls, *hooked != '\0' ? 1 : 0);
    for (const Parameter& p : net.parameters()) {
      const auto values = p.value.as<float>();
      weights[p.name].assign(values.begin(), values.end());
    }
  };
  std::map<std::string, std::vector<float>> start, plain, b_cut, sum_cut, a_cut;
  Model net = branched_net();
  net.initialize(1);
  for (const Parameter& p : std::as_const(net).parameters()) {
    start[p.name].assign(p.value.as<float>().begin(), p.value.as<float>().end());
  }
  train("", plain);
  train("b", b_cut);
  train("sum", sum_cut);
  train("a", a_cut);
  EXPECT_EQ(b_cut["b.weight"], start["b.weight"]);
  EXPECT_NE(b_cut["a.weight"], start["a.weight"]);  // by the other branch
  EXPECT_NE(b_cut["a.weight"], plain["a.weight"]);
  EXPECT_EQ(b_cut["out.weight"], plain["out.weight"]);
  EXPECT_EQ(sum_cut["a.weight"], start["a.weight"]);
  EXPECT_EQ(sum_cut["b.weight"], start["b.weight"]);
  EXPECT_EQ(sum_cut["out.weight"], plain["out.weight"]);
  EXPECT_EQ(a_cut["a.weight"], start["a.weight"]);
  EXPECT_EQ(a_cut["b.weight"], plain["b.weight"]);
}

INSTANTIATE_TEST_SUITE_P(Backends, HooksOnEveryBackend,
                         testing::Values("reference", "tbb", "onednn"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Hooks, AreCalledInOrderInStepsAndEvaluationsUntilRemoved) {
  Model net = branched_net();
  Trainer trainer(net, exact_backend("reference"));
  std::string calls;
  trainer.on_forward("flat", [&](const HookedTensor& t) {
    EXPECT_EQ(t.shape, Shape({kBranchedBatch, 8}));
    calls += "f";
  });
  trainer.on_forward("b", [&](const HookedTensor&) { calls += "1"; });
  trainer.on_forward("b", [&](const HookedTensor&) { calls += "2"; });
  trainer.on_backward("b", [&](const HookedTensor&) { calls += "g"; });
  trainer.step(branched_inputs(), branched_labels());
  EXPECT_EQ(calls, "f12g");
  Tensor inputs({kBranchedBatch, 2, 4});
  std::ranges::copy(branched_inputs(), inputs.as<float>().begin());
  trainer.evaluate(Dataset("made", std::move(inputs), branched_labels(), {"x", "y", "z"}));
  EXPECT_EQ(calls, "f12gf12");
  trainer.remove_hooks();
  trainer.step(branched_inputs(), branched_labels());
  EXPECT_EQ(calls, "f12gf12");
}

TEST(HookErrors, NameTheLayers) {
  Model net = branched_net();
  Trainer trainer(net, exact_backend("reference"));
  const auto nothing = [](const HookedTensor&) {};
  try {
    trainer.on_forward("c", nothing);
    FAIL() << "expected StateError";
  } catch (const StateError& e) {
    EXPECT_NE(std::string(e.what()).find("flat, first, a, b, sum, out"), std::string::npos)
        << e.what();
  }
  trainer.on_backward("flat", nothing);  // nothing before it is trained
  EXPECT_THROW(trainer.step(branched_inputs(), branched_labels()), StateError);
}

}  // namespace
}  // namespace soma
