#include "model/builtin.hpp"

namespace soma {

namespace {

const Shape kGreyDigit = {28, 28, 1};

/// One layer of ten linear units: softmax regression. After Rosenblatt, "The perceptron",
/// Psychological Review 65 (1958), with a loss that has a gradient.
Model perceptron() {
  Model net(kGreyDigit, "perceptron");
  net.add(Dense{.units = 10}, "fc1");
  return net;
}

/// 784-512-256-10.
Model mlp() {
  Model net(kGreyDigit, "mlp");
  net.add(Dense{.units = 512, .activation = "relu"}, "fc1");
  net.add(Dense{.units = 256, .activation = "relu"}, "fc2");
  net.add(Dense{.units = 10}, "fc3");
  return net;
}

/// After LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of
/// the IEEE 86 (1998), with the widths, ReLU and max pooling of today; 1,663,370 parameters.
Model lenet5() {
  Model net(kGreyDigit, "lenet5");
  net.add(Conv2d{.filters = 32, .kernel = 5, .padding = Padding::same, .activation = "relu"},
          "conv1");
  net.add(MaxPool2d{.size = 2}, "pool1");
  net.add(Conv2d{.filters = 64, .kernel = 5, .padding = Padding::same, .activation = "relu"},
          "conv2");
  net.add(MaxPool2d{.size = 2}, "pool2");
  net.add(Flatten{}, "flatten");
  net.add(Dense{.units = 512, .activation = "relu"}, "fc1");
  net.add(Dense{.units = 10}, "fc2");
  return net;
}

/// Predicts the next character of 65 from up to 64: four causal blocks, the output tied to the
/// embedding; 804,096 parameters. After Radford et al., "Language models are unsupervised multitask
/// learners" (2019), at the size and without the biases of Karpathy's nanoGPT.
Model char_gpt() {
  constexpr std::int64_t kCharacters = 65, kContext = 64, kWidth = 128;
  Model net({kContext}, "char-gpt", DType::i32);
  net.add(Embedding{.vocab = kCharacters, .units = kWidth}, "embedding");
  net.add(PositionalEncoding{.kind = "learned"}, "position");
  for (const char* name : {"block1", "block2", "block3", "block4"}) {
    net.add(TransformerDecoderBlock{.heads = 4, .bias = false}, name);
  }
  net.add(LayerNorm{.bias = false}, "norm");
  net.add(Dense{.units = kCharacters, .bias = false, .last_axis = true}, "logits");
  net.tie("logits.weight", "embedding.weight");
  return net;
}

struct Builtin {
  std::string_view name;
  Model (*make)();
};

constexpr Builtin kBuiltins[] = {
    {"perceptron", perceptron}, {"mlp", mlp}, {"lenet5", lenet5}, {"char-gpt", char_gpt}};

}  // namespace

std::optional<Model> make_builtin(std::string_view name) {
  for (const Builtin& model : kBuiltins) {
    if (model.name == name) return model.make();
  }
  return std::nullopt;
}

std::vector<std::string> Model::builtin_names() {
  std::vector<std::string> names;
  for (const Builtin& model : kBuiltins) names.emplace_back(model.name);
  return names;
}

}  // namespace soma
