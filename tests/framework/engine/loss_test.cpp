#include <gtest/gtest.h>

#include <cmath>

#include "soma/error.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

/// A model that gives its input: a dense layer with the identity as weight.
Model identity(std::int64_t units, const Loss& loss) {
  Model net({units}, "identity");
  net.add(Dense{.units = units, .bias = false, .init = Init::identity}, "out");
  return std::move(net.set_loss(loss));
}

double loss_of(const Loss& loss, const std::vector<float>& outputs,
               const std::vector<float>& targets) {
  Model net = identity(static_cast<std::int64_t>(outputs.size()) / 2, loss);
  return Trainer(net, exact("reference")).step(outputs, targets);
}

TEST(Losses, HaveTheValuesOfTheirFormulas) {
  const std::vector<float> outputs = {0.5f, -2.0f, 3.0f, 1.0f};  // two samples of two
  EXPECT_NEAR(loss_of(Loss::mean_absolute_error, outputs, {0, 0, 1, 1}), (0.5 + 2 + 2 + 0) / 4,
              1e-6);
  EXPECT_NEAR(loss_of(Loss::huber, outputs, {0, 0, 1, 1}), (0.125 + 1.5 + 1.5 + 0) / 4, 1e-6);
  EXPECT_NEAR(loss_of(Loss::hinge, outputs, {1, 1, 1, -1}), (0.5 + 3 + 0 + 2) / 4, 1e-6);
  const auto softplus = [](double x) { return std::log1p(std::exp(x)); };
  EXPECT_NEAR(loss_of(Loss::binary_cross_entropy_with_logits, outputs, {1, 0, 0, 1}),
              (softplus(-0.5) + softplus(-2) + softplus(3) + softplus(-1)) / 4, 1e-6);
  EXPECT_NEAR(loss_of(Loss::cosine, outputs, {1, -4, 1, -3}), (1 - 1 + 1 - 0) / 2.0, 1e-6);
  EXPECT_NEAR(loss_of(Loss::kl_divergence, outputs, {0.5f, 0.5f, 0, 1}),
              (0.5 * (std::log(0.5) - 0.5) + 0.5 * (std::log(0.5) + 2) + 0 - 1) / 2, 1e-6);
  EXPECT_NEAR(loss_of(loss_from_name("mean_squared_error",
                                     [] {
                                       Attributes a;
                                       a.set("reduction", std::string("sum"));
                                       return a;
                                     }()),
                      outputs, {0, 0, 1, 1}),
              0.25 + 4 + 4, 1e-6);
}

Attributes options(std::initializer_list<Attributes::Entry> entries) {
  Attributes a;
  for (const auto& [name, value] : entries) a.set(name, value);
  return a;
}

TEST(Losses, CrossEntropyCountsWhatItIsToldTo) {
  const std::vector<float> logits = {1, 2, 3, 0, 0, 0};
  const std::vector<std::int32_t> labels = {2, 0};
  const double first = std::log(std::exp(-2) + std::exp(-1) + 1), second = std::log(3.0);
  const auto with = [&](const Attributes& a, std::vector<std::int32_t> of) {
    Model net = identity(3, loss_from_name("softmax_cross_entropy", a));
    return Trainer(net, exact("reference")).step(logits, of);
  };
  EXPECT_NEAR(with({}, labels), (first + second) / 2, 1e-6);
  EXPECT_NEAR(with(options({{"ignore_index", std::int64_t{-1}}}), {2, -1}), first, 1e-6);
  EXPECT_EQ(with(options({{"ignore_index", std::int64_t{-1}}}), {-1, -1}), 0);
  EXPECT_NEAR(with(options({{"class_weights", std::string("1 2 3")}}), labels),
              (3 * first + second) / 4, 1e-6);
  const double all_of_first = (first + 2) + (first + 1) + first;
  EXPECT_NEAR(with(options({{"label_smoothing", 0.3}}), labels),
              (0.7 * first + 0.1 * all_of_first + second) / 2, 1e-6);
}

TEST(Losses, SaidInJsonComeBack) {
  for (const char* text :
       {R"("huber")", R"({"type":"huber","delta":0.5})", R"({"type":"hinge","squared":true})",
        R"({"type":"softmax_cross_entropy","label_smoothing":0.1,"class_weights":[1,0.5,2]})"}) {
    const std::string json = std::string(R"({"soma_model": 1, "input": [4], "loss": )") + text +
                             R"(, "layers": [{"type": "dense", "units": 3}]})";
    const Model model = Model::from_json(json);
    EXPECT_NE(model.to_json().find(std::string("\"loss\": ") + text), std::string::npos)
        << model.to_json();
    EXPECT_EQ(Model::from_json(model.to_json()).loss(), model.loss());
  }
}

TEST(LossErrors, NameOptionAndReason) {
  const auto message = [](const char* loss) {
    try {
      Model::from_json(std::string("{\"soma_model\": 1, \"input\": [4],\n\"loss\": ") + loss +
                       ", \"layers\": [{\"type\": \"dense\", \"units\": 3}]}");
    } catch (const FormatError& e) {
      return std::string(e.what());
    }
    return std::string("nothing was thrown");
  };
  EXPECT_EQ(message(R"({"type":"huber","delta":0})"),
            "model:2: loss.delta: expected a number above 0, got 0.000000");
  EXPECT_EQ(message(R"({"type":"huber","gamma":0})"),
            "model:2: loss: unknown field 'gamma'; known are delta, reduction");
  EXPECT_EQ(message(R"({"type":"huber","delta":"a"})"),
            "model:2: loss: attribute 'delta' has the wrong type");
  EXPECT_EQ(message(R"({"type":"hinge","reduction":"none"})"),
            "model:2: loss.reduction: expected \"mean\" or \"sum\", got \"none\"");
}

Dataset two_classes(std::int64_t n) {
  Tensor inputs({n, 2});
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = static_cast<float>(i % 7) - 3.0f, y = static_cast<float>(i % 5) - 2.0f;
    inputs.as<float>()[static_cast<std::size_t>(2 * i)] = x;
    inputs.as<float>()[static_cast<std::size_t>(2 * i + 1)] = y;
    labels.push_back(x + y > 0.25f ? 1 : 0);
  }
  return Dataset("halves", std::move(inputs), labels, {"below", "above"});
}

TEST(Losses, ABinaryOneLearnsTwoClassesFromTheirLabels) {
  for (const Loss& loss : {Loss::binary_cross_entropy_with_logits, Loss::hinge}) {
    Model net({2}, "line");
    net.add(Dense{.units = 1}, "out");
    net.set_loss(loss);
    Trainer trainer(net, exact("tbb"), {.optimizer = Adam{.learning_rate = 0.05}});
    const Dataset data = two_classes(70);
    const Progress at = trainer.fit(data, {.epochs = 60, .batch = 16});
    EXPECT_GT(at.accuracy, 0.9) << name_of(loss);
    const Evaluation evaluation = trainer.evaluate(data);
    EXPECT_GT(evaluation.accuracy, 0.95) << name_of(loss);
    ASSERT_EQ(evaluation.confusion.size(), 4u);
    EXPECT_EQ(evaluation.confusion[0] + evaluation.confusion[3],
              std::lround(evaluation.accuracy * 70));
    if (loss != Loss::binary_cross_entropy_with_logits) continue;
    const Predictor predictor(net, exact("tbb"));
    float p = 0;
    predictor.run(std::vector<float>{3, 2}, std::span(&p, 1));
    EXPECT_GT(p, 0.9f);
    EXPECT_LE(p, 1.0f);
  }
}

}  // namespace
}  // namespace soma
