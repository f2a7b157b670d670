#include "soma/model.hpp"

#include <gtest/gtest.h>

#include "soma/error.hpp"

namespace soma {
namespace {

template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(Model, LeNet5HasTheParametersOfItsDefinition) {
  const Model net = Model::named("lenet5");
  EXPECT_EQ(net.parameter_count(), 1663370);
  EXPECT_EQ(net.input_shape(), (Shape{28, 28, 1}));
  EXPECT_EQ(net.output_shape(), (Shape{10}));
  std::int64_t parameters = 0, macs = 0;
  for (const auto& layer : net.layers()) {
    parameters += layer.parameters;
    macs += layer.macs;
  }
  EXPECT_EQ(parameters, 1663370);
  EXPECT_EQ(macs, 28 * 28 * 32 * 25 + 14 * 14 * 64 * 800 + 3136 * 512 + 512 * 10);
}

TEST(Model, WeightsDependOnSeedAndNameOnly) {
  Model small({4}), large({4});
  small.add(Dense{.units = 3}, "out");
  large.add(Dense{.units = 4, .activation = "relu"}, "extra").add(Dense{.units = 3}, "out");
  small.initialize(5);
  large.initialize(5);
  EXPECT_TRUE(std::ranges::equal(small.parameter("out.weight").value.as<float>(),
                                 large.parameter("out.weight").value.as<float>()));
  const std::string hash = small.weights_sha256();
  small.initialize(6);
  EXPECT_NE(small.weights_sha256(), hash);
  small.initialize(5);
  EXPECT_EQ(small.weights_sha256(), hash);
}

TEST(Model, InitialisersHaveTheVarianceTheyPromise) {
  Model net({400});
  net.add(Dense{.units = 300, .init = Init::he_normal}, "he");
  net.add(Dense{.units = 200, .init = Init::xavier_uniform}, "xavier");
  net.initialize(1);
  const auto variance = [&](const char* name) {
    double sum = 0, squares = 0;
    const auto values = net.parameter(name).value.as<float>();
    for (const float v : values) sum += v, squares += double{v} * v;
    const double n = static_cast<double>(values.size());
    EXPECT_NEAR(sum / n, 0, 1e-3) << name;
    return squares / n;
  };
  EXPECT_NEAR(variance("he.weight"), 2.0 / 400, 2.0 / 400 * 0.03);
  EXPECT_NEAR(variance("xavier.weight"), 2.0 / 500, 2.0 / 500 * 0.03);
}

TEST(Model, SamePaddingPutsTheOddPixelAtTheEnd) {
  Model net({7, 8, 1});
  net.add(Conv2d{.filters = 2, .kernel = 4, .stride = 2, .padding = Padding::same});
  EXPECT_EQ(net.output_shape(), (Shape{4, 4, 2}));
}

TEST(ModelErrors, ALayerThatDoesNotFitIsNamedAndLeavesTheModelAsItWas) {
  Model net({28, 28, 1}, "digits");
  net.add(Conv2d{.filters = 4, .kernel = 5}, "conv");
  const auto too_large = [&] { net.add(MaxPool2d{.size = 30}, "pool"); };
  const std::string message = message_of<ShapeError>(too_large);
  EXPECT_NE(message.find("model 'digits', layer 'pool'"), std::string::npos) << message;
  EXPECT_NE(message.find("30x30"), std::string::npos) << message;
  net.add(MaxPool2d{}, "pool");
  EXPECT_EQ(net.output_shape(), (Shape{12, 12, 4}));
}

TEST(ModelErrors, DenseInputsOfAnAddMustMatch) {
  Model net({6});
  net.add(Dense{.units = 4}, "a").add(Dense{.units = 5}, "b");
  EXPECT_NE(message_of<ShapeError>([&] {
              net.add(Add{}, "sum", {"a", "b"});
            }).find("[1,4] and [1,5]"),
            std::string::npos);
  EXPECT_NE(message_of<ShapeError>([&] {
              net.add(Add{}, "sum", {"a", "later"});
            }).find("'later' is not a layer"),
            std::string::npos);
}

TEST(ModelErrors, UnknownActivationListsTheKnownOnes) {
  Model net({6});
  const std::string message =
      message_of<ShapeError>([&] { net.add(Dense{.units = 4, .activation = "rellu"}); });
  EXPECT_NE(message.find("relu, sigmoid, tanh"), std::string::npos) << message;
}

TEST(ModelErrors, WeightsBeforeInitializeAreRefused) {
  Model net({6});
  net.add(Dense{.units = 4});
  EXPECT_THROW(net.parameters(), StateError);
  EXPECT_THROW(net.weights_sha256(), StateError);
}

}  // namespace
}  // namespace soma
