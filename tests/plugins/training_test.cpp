// Every kind of plugin in whole trainings: the same bits on every backend and thread count,
// resumed, saved and loaded, predicted with.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/plugins.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

struct Task {
  const char* name;
  const char* model;  // JSON
  const char* optimizer;
};
void PrintTo(const Task& task, std::ostream* out) { *out << task.name; }

const Task kTasks[] = {
    {"focal_on_images_with_every_activation", R"json({
      "soma_model": 1, "name": "images", "input": [6,5,4],
      "loss": {"type": "focal", "gamma": 1.5},
      "layers": [
        {"type":"conv2d","name":"conv","filters":8,"kernel":3,"activation":"squareplus"},
        {"type":"squeeze_excite","name":"gate","ratio":4},
        {"type":"flatten"},
        {"type":"dense","name":"a","units":24,"activation":"learnable_swish"},
        {"type":"dense","name":"b","units":24,"activation":"gaussian"},
        {"type":"dense","name":"c","units":24,"activation":"snake"},
        {"type":"dense","name":"out","units":3}]})json",
     "sophia"},
    {"radial_basis_regression", R"json({
      "soma_model": 1, "name": "radial", "input": [6,5,4], "loss": "mean_squared_error",
      "layers": [
        {"type":"dense","name":"in","units":20},
        {"type":"radial_basis","name":"rbf","units":33,"width":0.5},
        {"type":"dense","name":"out","units":3}]})json",
     "adam"},
    {"written_in_c", R"json({
      "soma_model": 1, "name": "c", "input": [6,5,4], "loss": {"type": "c_squares", "factor": 2},
      "layers": [
        {"type":"dense","name":"in","units":20,"activation":"c_leaky"},
        {"type":"c_shift","name":"shift","init":"normal(0.1)"},
        {"type":"c_twice","name":"twice","units":3}]})json",
     "c_momentum"},
    {"sequences_of_classes", R"json({
      "soma_model": 1, "name": "sequences", "input": [9,4], "loss": "focal",
      "layers": [{"type":"dense","name":"out","units":3,"last_axis":true,
                  "activation":"learnable_swish"}]})json",
     "sophia"},
};

class PluginKinds : public testing::TestWithParam<Task> {
 protected:
  static void SetUpTestSuite() { add_plugin_path(C_KINDS_FOLDER); }

  Model model() const { return Model::from_json(GetParam().model, GetParam().name); }

  static TrainerOptions options(int threads) {
    return {.optimizer = optimizer_from_name(GetParam().optimizer), .seed = 5, .threads = threads};
  }

  /// Steps `from` to `to` on drawn batches of 17.
  static double train(Trainer& trainer, const Model& net, std::uint32_t from, std::uint32_t to) {
    double loss = 0;
    for (std::uint32_t step = from; step < to; ++step) {
      const PhiloxStream stream(3, "batch");
      const Shape in = net.input_shape().batched(17);
      const bool classes = net.loss().takes_classes();
      Shape out = net.output_shape().batched(17);
      if (classes) out = Shape(out.dims().first(static_cast<std::size_t>(out.rank() - 1)));
      std::vector<float> inputs(static_cast<std::size_t>(in.elements()));
      for (std::size_t i = 0; i < inputs.size(); ++i)
        inputs[i] = 2 * stream.uniform(step, static_cast<std::uint32_t>(i)) - 1;
      std::vector<float> numbers(static_cast<std::size_t>(out.elements()));
      std::vector<std::int32_t> labels(numbers.size());
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        numbers[i] = inputs[i % inputs.size()];
        labels[i] = static_cast<std::int32_t>(i % 3);
      }
      loss = classes ? trainer.step(inputs, labels) : trainer.step(inputs, numbers);
    }
    return loss;
  }
};

TEST_P(PluginKinds, GiveTheSameBitsOnEveryBackendAndThreadCount) {
  std::string first;
  for (const std::string& name : backend_names()) {
    if (name == "c_backend") continue;  // has one op
    for (const int threads : {1, 2, 5}) {
      Model net = model();
      Trainer trainer(net, backend(name, {.numerics = Numerics::exact}), options(threads));
      const double before = train(trainer, net, 0, 1);
      const double after = train(trainer, net, 1, 9);
      EXPECT_TRUE(std::isfinite(after)) << name;
      EXPECT_NE(before, after) << name;
      if (first.empty()) first = net.weights_sha256();
      EXPECT_EQ(net.weights_sha256(), first) << name << " on " << threads << " threads";
    }
  }
}

TEST_P(PluginKinds, ResumeFromACheckpointWithTheSameBits) {
  const auto file = std::filesystem::path(testing::TempDir()) /
                    (std::string("kinds_") + GetParam().name + ".safetensors");
  const Backend reference = backend("reference");
  Model whole = model(), first = model(), second = model();
  Trainer uninterrupted(whole, reference, options(1));
  train(uninterrupted, whole, 0, 7);
  Trainer before(first, reference, options(1));
  train(before, first, 0, 3);
  before.save_checkpoint(file);
  Trainer after(second, reference, options(1));
  after.load_checkpoint(file);
  train(after, second, 3, 7);
  EXPECT_EQ(second.weights_sha256(), whole.weights_sha256());
}

TEST_P(PluginKinds, LiveInModelFilesAndPredict) {
  const auto file = std::filesystem::path(testing::TempDir()) /
                    (std::string("model_") + GetParam().name + ".safetensors");
  Model net = model();
  EXPECT_EQ(Model::from_json(net.to_json()).to_json(), net.to_json());
  Trainer trainer(net, backend("reference"), options(1));
  train(trainer, net, 0, 2);
  net.save(file);
  const Model loaded = Model::load(file);
  EXPECT_EQ(loaded.weights_sha256(), net.weights_sha256());
  EXPECT_EQ(loaded.to_json(), net.to_json());
  const std::vector<float> x(static_cast<std::size_t>(net.input_shape().elements()), 0.25f);
  std::vector<float> a(static_cast<std::size_t>(net.output_shape().elements())), b = a;
  Predictor(net, backend("reference"), {.max_batch = 1}).run(x, a);
  Predictor(loaded, backend("tbb"), {.max_batch = 1}).run(x, b);
  EXPECT_EQ(a, b);
}

INSTANTIATE_TEST_SUITE_P(All, PluginKinds, testing::ValuesIn(kTasks),
                         [](const auto& info) { return info.param.name; });

/// A backend of one op, in C, runs a whole training with the reference behind it.
TEST(Fallback, ComputesWhatABackendLacksAndSaysSo) {
  add_plugin_path(C_BACKEND_FOLDER);
  const auto train = [](const Backend& backend) {
    Model net({4});
    net.add(Dense{.units = 5, .activation = "tanh"}).add(Activation{"relu"}).add(Dense{.units = 3});
    Trainer trainer(net, backend, {.threads = 1});
    const std::vector<float> x(8, 0.5f);
    for (int i = 0; i < 3; ++i) trainer.step(x, std::vector<std::int32_t>{0, 2});
    return net.weights_sha256();
  };
  EXPECT_THROW(train(backend("c_backend")), UnsupportedError);
  const Backend both = backend("c_backend", {.fallback = "reference"});
  EXPECT_EQ(train(both), train(backend("reference")));
  const FallbackReport report = both.fallback();
  EXPECT_EQ(report.backend, "reference");
  EXPECT_EQ(std::ranges::count(report.ops, "relu/1.fwd"), 0);
  EXPECT_EQ(std::ranges::count(report.ops, "linear/1.fwd"), 1);
  EXPECT_EQ(std::ranges::count(report.ops, "adam/1.step"), 1);
  EXPECT_GT(report.share, 0.5);
  EXPECT_LT(report.share, 1);
}

class PluginErrors : public testing::Test {
 protected:
  static std::string complaint(const std::string& loss, const std::string& layer) {
    try {
      Model::from_json(
          R"({"soma_model": 1, "input": [4], "loss": )" + loss + R"(, "layers": [)" + layer + "]}",
          "m.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(PluginErrors, NameTheFieldOfAModelFile) {
  const std::string dense = R"({"type":"dense","units":3})";
  EXPECT_EQ(complaint(R"({"type":"focal","gamma":-1})", dense),
            "m.json:1: loss.gamma: expected a number from 0 to 100, got -1");
  EXPECT_EQ(complaint(R"({"type":"focal","alpha":1})", dense),
            "m.json:1: loss: unknown field 'alpha'; known are gamma");
  EXPECT_EQ(complaint(R"("focal")", R"({"type":"radial_basis"})"),
            "m.json:1: layers[0]: units: expected a value, got none");
  EXPECT_EQ(complaint(R"("focal")", R"({"type":"radial_basis","units":0})"),
            "m.json:1: layers[0].units: expected a whole number from 1 to 1e+09, got 0");
  EXPECT_EQ(complaint(R"("focal")", R"({"type":"radial_basis","units":"two"})"),
            "m.json:1: layers[0].units: expected a whole number, found \"two\"");
  EXPECT_EQ(complaint(R"("focal")", R"({"type":"squeeze_excite","name":"se"})"),
            "m.json:1: layers[0]: layer 'se': squeeze_excite: global_avg_pool2d: expected an image "
            "[N,H,W,C], got [1,4]");
}

TEST_F(PluginErrors, NameTheTargetThatIsNoClass) {
  Model net = Model::from_json(
      R"({"soma_model": 1, "input": [2], "loss": "focal", "layers": [{"type":"dense","units":3}]})");
  Trainer trainer(net, backend("reference"));
  const std::vector<float> x(4);
  const std::vector<std::int32_t> labels = {0, 3};
  try {
    trainer.step(x, labels);
    FAIL() << "accepted class 3 of 3";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "focal: target 3 of item 1 is not one of 3 classes");
  }
}

TEST_F(PluginErrors, NameTheOptionOfAnOptimizer) {
  Optimizer optimizer = optimizer_from_name("sophia");
  optimizer.options = {};
  optimizer.options.set("beta1", 1.5);
  Model net({2});
  net.add(Dense{.units = 3});
  try {
    Trainer trainer(net, backend("reference"), {.optimizer = optimizer});
    FAIL() << "accepted beta1 = 1.5";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "optimizer 'sophia': beta1: expected a number from 0 to 1, got 1.5");
  }
}

}  // namespace
}  // namespace soma
