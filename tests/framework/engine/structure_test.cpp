// Models with several inputs, outputs and losses, int32 inputs, and tied weights.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/trainer.hpp"
#include "token_layers.hpp"

namespace soma {
namespace {

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

constexpr std::size_t kBatch = 5;

/// Two inputs, a shared middle, a head for classes and one for numbers; two weights are one.
Model two_heads() {
  Model net = Model::with_inputs({{"left", {4}}, {"right", {2, 3}}}, "two_heads");
  net.add(Dense{.units = 6, .activation = "tanh"}, "a", {"left"});
  net.add(Dense{.units = 6}, "b", {"right"});
  net.add(Add{}, "sum", {"a", "b"});
  net.add(Activation{"relu"}, "relu");
  net.add(Dense{.units = 6, .activation = "sigmoid"}, "m1");
  net.add(Dense{.units = 6}, "m2");
  net.add(Dense{.units = 3}, "classes");
  net.add(Dense{.units = 2}, "numbers", {"m1"});
  net.tie("m2.weight", "m1.weight");
  net.set_outputs({"classes", "numbers"});
  net.set_loss(Loss::mean_squared_error, "numbers", 0.5);
  net.set_loss(Loss::softmax_cross_entropy, "classes");
  return net;
}

struct Batch {
  std::vector<float> left, right, numbers;
  std::vector<std::int32_t> labels;
  std::array<TensorView, 2> inputs() const { return {left, right}; }
  std::array<TensorView, 2> targets() const { return {labels, numbers}; }
};

Batch make_batch(std::size_t n = kBatch) {
  const PhiloxStream stream(5, "two_heads");
  Batch batch;
  const auto fill = [&](std::vector<float>& to, std::size_t count, std::uint32_t step) {
    for (std::uint32_t i = 0; i < count; ++i) to.push_back(2 * stream.uniform(step, i) - 1);
  };
  fill(batch.left, n * 4, 0);
  fill(batch.right, n * 6, 1);
  fill(batch.numbers, n * 2, 2);
  for (std::uint32_t i = 0; i < n; ++i) {
    batch.labels.push_back(static_cast<std::int32_t>(stream.bits(3, i) % 3));
  }
  return batch;
}

Dataset make_data(std::int64_t n) {
  const Batch batch = make_batch(static_cast<std::size_t>(n));
  const auto column = [](const char* name, Shape shape, const std::vector<float>& values) {
    Tensor tensor(shape);
    std::ranges::copy(values, tensor.as<float>().begin());
    return ColumnData{name, std::move(tensor)};
  };
  Tensor labels({n}, DType::i32);
  std::ranges::copy(batch.labels, labels.as<std::int32_t>().begin());
  std::vector<ColumnData> inputs, targets;
  inputs.push_back(column("left", {n, 4}, batch.left));
  inputs.push_back(column("right", {n, 2, 3}, batch.right));
  targets.push_back({"classes", std::move(labels)});
  targets.push_back(column("numbers", {n, 2}, batch.numbers));
  return Dataset("heads", std::move(inputs), std::move(targets), {"x", "y", "z"});
}

double loss_of(Model& net, const Batch& batch, double rate = 0) {
  Trainer trainer(net, exact("reference"), {.optimizer = Sgd{.learning_rate = rate}});
  return trainer.step(batch.inputs(), batch.targets());
}

TEST(SeveralOutputs, TheLossIsTheWeightedSumInOrder) {
  Model net = two_heads();
  net.initialize(3);
  const Batch batch = make_batch();
  const auto loss_with = [&](double classes, double numbers) {
    net.set_loss(Loss::softmax_cross_entropy, "classes", classes);
    net.set_loss(Loss::mean_squared_error, "numbers", numbers);
    return static_cast<float>(loss_of(net, batch));
  };
  const float both = loss_with(1, 0.5), first = loss_with(1, 0), second = loss_with(0, 1);
  EXPECT_GT(first, 0);
  EXPECT_GT(second, 0);
  EXPECT_EQ(both, first + 0.5f * second);
}

TEST(SeveralOutputs, GradientsWithTiedWeightsAgreeWithCentralDifferences) {
  Model net = two_heads();
  net.initialize(3);
  const Batch batch = make_batch();
  std::vector<std::vector<float>> before;
  for (const Parameter& p : net.parameters()) {
    before.emplace_back(p.value.as<float>().begin(), p.value.as<float>().end());
  }
  loss_of(net, batch, 1.0);
  std::vector<std::vector<double>> gradient;
  for (std::size_t i = 0; i < before.size(); ++i) {
    auto& g = gradient.emplace_back();
    const auto after = std::as_const(net).parameters()[i].value.as<float>();
    for (std::size_t k = 0; k < after.size(); ++k) g.push_back(double{before[i][k]} - after[k]);
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (std::size_t k = 0; k < before[i].size(); ++k) {
      const auto moved = [&](float by) {
        for (std::size_t p = 0; p < before.size(); ++p) {
          std::ranges::copy(before[p], net.parameters()[p].value.as<float>().begin());
        }
        net.parameters()[i].value.as<float>()[k] += by;
        return loss_of(net, batch);
      };
      constexpr float h = 1.0f / 512;
      EXPECT_NEAR(gradient[i][k], (moved(h) - moved(-h)) / (2.0 * h), 1e-3)
          << std::as_const(net).parameters()[i].name << "[" << k << "]";
    }
  }
}

TEST(SeveralOutputs, TrainToTheSameBitsOnEveryBackendAndThreadCount) {
  const auto hash = [](const std::string& name, int threads) {
    Model net = two_heads();
    Trainer trainer(net, exact(name), {.optimizer = Adam{}, .seed = 2, .threads = threads});
    trainer.fit(make_data(37), {.epochs = 3, .batch = 8});
    EXPECT_EQ(trainer.evaluate(make_data(37)).confusion.size(), 9u);
    EXPECT_GT(trainer.progress().mean_loss, 0);
    return net.weights_sha256();
  };
  const std::string expected = hash("reference", 1);
  for (const std::string& name : backend_names()) {
    for (const int threads : {1, 3}) EXPECT_EQ(hash(name, threads), expected) << name;
  }
}

TEST(SeveralOutputs, ComeFromAPredictorAndFromAFile) {
  Model net = two_heads();
  net.initialize(7);
  const auto file = std::filesystem::path(testing::TempDir()) / "two_heads.safetensors";
  net.save(file);
  const Model loaded = Model::load(file);
  EXPECT_EQ(loaded.to_json(), net.to_json());
  EXPECT_EQ(loaded.weights_sha256(), net.weights_sha256());
  const Batch batch = make_batch();
  for (const std::string& name : backend_names()) {
    const Predictor predict(loaded, exact(name), {.max_batch = kBatch});
    EXPECT_EQ(predict.inputs(), 2u);
    EXPECT_EQ(predict.outputs(), 2u);
    std::vector<float> classes(kBatch * 3), numbers(kBatch * 2), only(kBatch * 2);
    predict.run(batch.inputs(), std::array<std::span<float>, 2>{classes, numbers});
    predict.run(batch.inputs(), std::array<std::span<float>, 2>{std::span<float>(), only});
    EXPECT_EQ(only, numbers);
    for (std::size_t i = 0; i < kBatch; ++i) {
      EXPECT_NEAR(classes[3 * i] + classes[3 * i + 1] + classes[3 * i + 2], 1, 1e-6);
    }
    EXPECT_THROW(predict.run(batch.left, classes), ShapeError);
    const std::array<TensorView, 2> wrong{batch.left, batch.labels};
    EXPECT_THROW(predict.run(wrong, {}), ShapeError);
  }
}

TEST(SeveralOutputs, AnIntermediateOutputSurvivesWhatComesAfterIt) {
  Model net({6}, "kept");
  net.add(Dense{.units = 16}, "before").add(Activation{"relu"}, "relu");
  net.add(Dense{.units = 4}, "after");
  net.initialize(1);
  Model alone({6}, "alone");
  alone.add(Dense{.units = 16}, "before");
  alone.initialize(1);
  net.set_outputs({"after", "before"}).set_loss(Loss::mean_squared_error);
  alone.set_loss(Loss::mean_squared_error);
  const std::vector<float> x = {1, -2, 3, -4, 5, -6};
  std::vector<float> after(4), before(16), expected(16);
  const TensorView in[] = {x};
  Predictor(net, exact("tbb")).run(in, std::array<std::span<float>, 2>{after, before});
  Predictor(alone, exact("tbb")).run(x, expected);
  EXPECT_EQ(before, expected);
  EXPECT_LT(*std::ranges::min_element(before), 0);
}

/// y = x . weight^T with the weight kept flat and seen as a matrix.
struct FlatWeight {
  static constexpr std::string_view kType = "flat_weight";
  std::int64_t units = 0;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const {
    const Value& x = inputs[0];
    const std::int64_t k = x.shape[1];
    const Value flat = graph.parameter("flat", {units * k}, Init::xavier_uniform, k, units);
    const Value weight = graph.reshape(flat, {units, k});
    return graph.emit_one(ops::Linear{}.forward(x.shape, weight.shape, graph.purpose()),
                          {x, weight});
  }
  Attributes attributes() const { return {}; }
};

TEST(Views, OfParametersAreTrainedAndTied) {
  const std::vector<float> x = {1, -2, 0.5f, 3, 0.25f, -1}, targets = {1, 0, -1, 2, 1, 0};
  const auto trained = [&](const std::string& name) {
    Model net({3}, "views");
    net.add(FlatWeight{.units = 3}, "a").add(Activation{"tanh"}, "t");
    net.add(FlatWeight{.units = 3}, "b").tie("b.flat", "a.flat");
    net.set_loss(Loss::mean_squared_error);
    Trainer trainer(net, exact(name), {.optimizer = Sgd{.learning_rate = 0.05}, .threads = 2});
    const double first = trainer.step(x, targets);
    double last = 0;
    for (int i = 0; i < 50; ++i) last = trainer.step(x, targets);
    EXPECT_LT(last, 0.8 * first);
    EXPECT_EQ(net.parameters().size(), 1u);
    return net.weights_sha256();
  };
  const std::string expected = trained("reference");
  for (const std::string& name : backend_names()) EXPECT_EQ(trained(name), expected) << name;
}

TEST(Views, CanBeOutputs) {
  Model net({2, 3}, "flat");
  net.add(Flatten{}, "rows").add(Dense{.units = 2}, "out");
  net.set_outputs({"rows", "out"}).set_loss(Loss::mean_squared_error, "out");
  net.initialize(1);
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  std::vector<float> rows(12), out(4);
  const TensorView in[] = {x};
  Predictor(net, exact("tbb"), {.max_batch = 2})
      .run(in, std::array<std::span<float>, 2>{rows, out});
  EXPECT_EQ(rows, x);
}

TEST(TiedWeights, AreOneParameter) {
  const Model net = two_heads();
  EXPECT_EQ(net.parameter_count(), (4 + 1) * 6 + (6 + 1) * 6 + (6 + 1) * 6 + 6 + 7 * 3 + 7 * 2);
  EXPECT_EQ(net.layers()[5].parameters, 6);
  Model other = two_heads();
  other.initialize(1);
  for (const Parameter& p : other.parameters()) EXPECT_NE(p.name, "m2.weight");
}

TEST(TiedWeights, ThatCannotBeAreRefusedAndChangeNothing) {
  Model net = two_heads();
  const std::string json = net.to_json();
  for (const auto& [from, to] :
       {std::pair{"classes.weight", "m1.weight"}, std::pair{"classes.slope", "m1.weight"},
        std::pair{"a.weight", "classes.weight"}, std::pair{"classes.weight", "m2.weight"},
        std::pair{"nobody.weight", "m1.weight"}, std::pair{"classes", "m1.weight"}}) {
    EXPECT_THROW(net.tie(from, to), ShapeError) << from;
  }
  EXPECT_EQ(net.to_json(), json);
  net.initialize(1);
}

TEST(SeveralInputs, ThatTheDataDoNotHaveAreNamed) {
  Model net = Model::with_inputs({{"right", {2, 3}}, {"left", {4}}}, "swapped");
  net.add(Dense{.units = 3}, "out", {"right"});
  EXPECT_THROW(require_fit(net, make_data(4)), ShapeError);
  Model same = two_heads();
  require_fit(same, make_data(4));
  try {
    Trainer(same, exact("reference")).step(make_batch().left, make_batch().labels);
    FAIL() << "nothing was thrown";
  } catch (const ShapeError& e) {
    EXPECT_STREQ(e.what(), "step: expected 2 inputs and 2 targets, got 1 and 1");
  }
}

TEST(SeveralInputs, HaveNamesOfTheirOwn) {
  EXPECT_THROW(Model::with_inputs({}), ShapeError);
  EXPECT_THROW(Model::with_inputs({{"a", {1}}, {"a", {1}}}), ShapeError);
  EXPECT_THROW(Model::with_inputs({{"a.b", {1}}}), ShapeError);
  EXPECT_THROW(Model::with_inputs({{"a", {1}, DType::f64}}), ShapeError);
  EXPECT_THROW(Model::with_inputs({{"a", {0}}}), ShapeError);
}

/// Each character of the text is followed by the same one everywhere.
Dataset cyclic_text() {
  std::vector<std::uint8_t> text;
  for (int i = 0; i < 400; ++i) text.push_back(static_cast<std::uint8_t>(i * 2 % 5));
  return Dataset::windows("cycle", std::move(text), 7, 7, {"a", "b", "c", "d", "e"});
}

TEST(Tokens, TrainAModelOfTheNextOneWithALabelAtEachPosition) {
  const Dataset data = cyclic_text();
  const auto hash = [&](const std::string& name, int threads) {
    Model net({7}, "bigram", DType::i32);
    net.add(TokenLogits{.vocabulary = 5, .units = 5}, "next");
    Trainer trainer(net, exact(name),
                    {.optimizer = Adam{.learning_rate = 0.1}, .seed = 1, .threads = threads});
    trainer.fit(data, {.epochs = 12, .batch = 10});
    const Evaluation result = trainer.evaluate(data, 9);
    EXPECT_EQ(result.accuracy, 1);
    EXPECT_LT(result.loss, 0.1);
    EXPECT_EQ(trainer.progress().accuracy, 1);
    return net.weights_sha256();
  };
  const std::string expected = hash("reference", 1);
  for (const std::string& name : backend_names()) EXPECT_EQ(hash(name, 2), expected) << name;
}

/// Embedding, a recurrence and an output whose weights are the embedding's table.
Model tied_characters() {
  Model net({7}, "characters", DType::i32);
  net.add(Embedding{.vocab = 5, .units = 8}, "embed").add(Gru{.units = 8}, "gru");
  net.add(Dense{.units = 5, .last_axis = true}, "out").tie("out.weight", "embed.weight");
  return net;
}

TEST(Tokens, TrainARecurrentModelWithATiedOutput) {
  const Dataset data = cyclic_text();
  const auto hash = [&](const std::string& name, int threads) {
    Model net = Model::from_json(tied_characters().to_json());
    EXPECT_EQ(net.output_shape(), (Shape{7, 5}));
    Trainer trainer(net, exact(name),
                    {.optimizer = Adam{.learning_rate = 0.02}, .seed = 1, .threads = threads});
    trainer.fit(data, {.epochs = 15, .batch = 10});
    EXPECT_GT(trainer.evaluate(data).accuracy, 0.99);
    return net.weights_sha256();
  };
  const std::string expected = hash("reference", 1);
  for (const std::string& name : backend_names()) EXPECT_EQ(hash(name, 3), expected) << name;
}

TEST(Tokens, OfAModelFileAreWithinItsTable) {
  Model net = tied_characters();
  net.initialize(1);
  const auto file = std::filesystem::path(testing::TempDir()) / "characters.safetensors";
  net.save(file);
  EXPECT_EQ(Model::load(file).weights_sha256(), net.weights_sha256());
}

TEST(Tokens, PredictAtEachPosition) {
  Model net({7}, "bigram", DType::i32);
  net.add(TokenLogits{.vocabulary = 5, .units = 5}, "next");
  net.initialize(1);
  const Predictor predict(net, exact("tbb"), {.max_batch = 4});
  const std::vector<std::int32_t> tokens = {0, 1, 2, 3, 4, 0, 1};
  std::vector<float> p(7 * 5), floats(7);
  // Rows of a larger batch that nobody filled hold indices that the op takes.
  std::vector<std::int32_t> three;
  for (int i = 0; i < 3; ++i) three.insert(three.end(), tokens.begin(), tokens.end());
  std::vector<float> all(3 * 7 * 5);
  for (int i = 0; i < 3; ++i) predict.run(three, all);
  predict.run(tokens, p);
  EXPECT_TRUE(std::equal(p.begin(), p.end(), all.begin() + 35));
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_NEAR(p[5 * i] + p[5 * i + 1] + p[5 * i + 2] + p[5 * i + 3] + p[5 * i + 4], 1, 1e-6);
  }
  EXPECT_THROW(predict.run(floats, p), ShapeError);
  std::vector<std::int32_t> unknown = tokens;
  unknown[3] = 5;
  EXPECT_THROW(predict.run(unknown, p), ShapeError);
  predict.run(tokens, p);
}

TEST(Tokens, DoNotGoIntoAModelOfNumbers) {
  Model floats({7}, "floats");
  floats.add(Dense{.units = 5}, "out");
  try {
    require_fit(floats, cyclic_text());
    FAIL() << "nothing was thrown";
  } catch (const ShapeError& e) {
    EXPECT_STREQ(e.what(),
                 "model 'floats' and data set 'cycle' do not fit: the model takes f32, the data "
                 "have i32");
  }
}

}  // namespace
}  // namespace soma
