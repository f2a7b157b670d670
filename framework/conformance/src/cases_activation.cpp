#include "case_list.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/prelu.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma::conformance {
namespace {

// To add a shape, add it here. The last ones are cut into pieces for several threads.
const Shape kShapes[] = {{},      {0},   {1},    {2, 0, 3},    {3},    {7},       {8},
                         {9},     {15},  {4, 4}, {17},         {31},   {3, 11},   {63},
                         {5, 13}, {127}, {1000}, {2, 7, 5, 3}, {4099}, {3, 20011}};

struct Function {
  std::string name;
  ops::Activation activation;
};

/// All that the pointwise cases do not have, with other attributes than the default too.
std::vector<Function> functions() {
  std::vector<Function> list = {
      {"leaky_relu_0_2", ops::Activation::leaky_relu(0.2)},
      {"elu_1_7", ops::Activation::elu(1.7)},
      {"hard_sigmoid_0_2", ops::Activation::hard_sigmoid()},
      {"clip", ops::Activation::clip(-1.5, 2)},
      {"clip_above", ops::Activation::clip(0, std::numeric_limits<double>::infinity())},
  };
  for (const ops::NamedActivation& row : ops::kNamedActivations) {
    if (row.name == "relu" || row.name == "sigmoid" || row.name == "tanh") continue;
    list.push_back({std::string(row.name), row.make()});
  }
  return list;
}

std::string suffix(const Shape& shape) {
  std::string text;
  for (const std::int64_t dim : shape.dims()) text += "_" + std::to_string(dim);
  return text.empty() ? "_scalar" : text;
}

void add_prelu(std::vector<Case>& to, const Shape& x, bool shared) {
  const Shape slope{shared ? 1 : ops::PRelu::channels(x)};
  const std::string name = suffix(x) + (shared ? "_shared" : "");
  to.push_back({"activation", "prelu_fwd" + name, ops::PRelu::forward(x, slope, Purpose::train)});
  to.push_back({"activation", "prelu_bwd" + name, ops::PRelu::backward(x, slope)});
}

}  // namespace

void add_activation_cases(std::vector<Case>& to) {
  for (const auto& [name, activation] : functions()) {
    for (const Shape& shape : kShapes) {
      to.push_back(
          {"activation", name + "_fwd" + suffix(shape), activation.forward(shape, Purpose::train)});
      to.push_back({"activation", name + "_bwd" + suffix(shape), activation.backward(shape)});
    }
    to.push_back({"activation", name + "_fwd_wide", activation.forward({7, 1000}, Purpose::infer),
                  Spread::wide});
    to.push_back({"activation", name + "_bwd_wide", activation.backward({7, 1000}), Spread::wide});
  }
  // More than caches keep.
  const auto leaky = ops::Activation::leaky_relu(0.2);
  to.push_back({"activation", "leaky_relu_fwd_large", leaky.forward({2097169}, Purpose::train)});
  to.push_back({"activation", "leaky_relu_bwd_large", leaky.backward({2097169})});
  for (const Shape& shape : kShapes) {
    add_prelu(to, shape, false);
    add_prelu(to, shape, true);
  }
  // Around the ends of one and two blocks of 512 rows, and of the canonical reduction.
  for (const Shape& shape : {Shape{511, 3}, {512, 33}, {1025, 17}, {2, 520, 1}, {9, 1025}}) {
    add_prelu(to, shape, false);
  }
  for (const Shape& shape : {Shape{4096}, {8193}, {5, 4096}}) add_prelu(to, shape, true);

  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    const std::int64_t classes = kSizes[i];
    const std::int64_t rows = kSizes[(i * 5 + 3) % kSizes.size()];
    const std::string size = "_n" + std::to_string(rows) + "_c" + std::to_string(classes);
    to.push_back({"activation", "log_softmax_fwd" + size,
                  ops::LogSoftmax::forward({rows, classes}, Purpose::train)});
    to.push_back(
        {"activation", "log_softmax_bwd" + size, ops::LogSoftmax::backward({rows, classes})});
  }
  to.push_back({"activation", "log_softmax_fwd_wide",
                ops::LogSoftmax::forward({17, 33}, Purpose::train), Spread::wide});
  for (const Shape& shape : {Shape{1, 5000}, {3, 4097}}) {
    to.push_back({"activation", "log_softmax_fwd" + suffix(shape),
                  ops::LogSoftmax::forward(shape, Purpose::infer)});
    to.push_back(
        {"activation", "log_softmax_bwd" + suffix(shape), ops::LogSoftmax::backward(shape)});
  }
}

}  // namespace soma::conformance
