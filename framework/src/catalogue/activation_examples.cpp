#include "catalogue/catalogue.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/prelu.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma {

std::vector<Op> activation_examples() {
  constexpr Purpose kTrain = Purpose::train;
  // The hidden layer of a transformer block of width 768 on 128 tokens, and its vocabulary.
  const Shape hidden{128, 3072}, logits{128, 1000}, channels{3072};
  std::vector<Op> examples;
  for (const std::string_view family : ops::kActivationFamilies) {
    if (family == "relu" || family == "sigmoid" || family == "tanh") continue;  // core_examples
    const ops::Activation activation =
        family == "clip" ? ops::Activation::clip(0, 6) : ops::Activation{std::string(family)};
    examples.push_back(activation.forward(hidden, kTrain));
    examples.push_back(activation.backward(hidden));
  }
  examples.push_back(ops::PRelu::forward(hidden, channels, kTrain));
  examples.push_back(ops::PRelu::backward(hidden, channels));
  examples.push_back(ops::LogSoftmax::forward(logits, kTrain));
  examples.push_back(ops::LogSoftmax::backward(logits));
  return examples;
}

}  // namespace soma
