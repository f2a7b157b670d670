#include "model/builtin.hpp"

namespace soma {

namespace {

const Shape kGreyDigit = {28, 28, 1};

/// What a model that takes any data is made for: samples and, for each, so many logits or numbers.
struct Task {
  Shape sample = kGreyDigit;
  std::int64_t outputs = 10;
  Loss loss = Loss::softmax_cross_entropy;
};

Task task_of(const Dataset* data) {
  if (data == nullptr) return {};
  if (data->is_classification()) {
    return {data->sample_shape(), data->classes(), Loss::softmax_cross_entropy};
  }
  return {data->sample_shape(), data->target_shape().elements(), Loss::mean_squared_error};
}

/// One layer of linear units, as many as classes: softmax regression. After Rosenblatt, "The
/// perceptron", Psychological Review 65 (1958), with a loss that has a gradient.
Model perceptron(const Task& task) {
  Model net(task.sample, "perceptron");
  net.add(Dense{.units = task.outputs}, "fc1");
  net.set_loss(task.loss);
  return net;
}

/// 784-512-256-10 for digits.
Model mlp(const Task& task) {
  Model net(task.sample, "mlp");
  net.add(Dense{.units = 512, .activation = "relu"}, "fc1");
  net.add(Dense{.units = 256, .activation = "relu"}, "fc2");
  net.add(Dense{.units = task.outputs}, "fc3");
  net.set_loss(task.loss);
  return net;
}

/// Two hidden layers of the size that tables of some hundred to some hundred thousand rows fill.
Model tabular(const Task& task) {
  Model net(task.sample, "tabular");
  net.add(Dense{.units = 64, .activation = "relu"}, "fc1");
  net.add(Dense{.units = 32, .activation = "relu"}, "fc2");
  net.add(Dense{.units = task.outputs}, "fc3");
  net.set_loss(task.loss);
  return net;
}

/// After LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of
/// the IEEE 86 (1998), with the widths, ReLU and max pooling of today; 1,663,370 parameters.
Model lenet5(const Task&) {
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
Model char_gpt(const Task&) {
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
  Model (*make)(const Task& task);
};

constexpr Builtin kBuiltins[] = {{"perceptron", perceptron},
                                 {"mlp", mlp},
                                 {"tabular", tabular},
                                 {"lenet5", lenet5},
                                 {"char-gpt", char_gpt}};

}  // namespace

std::optional<Model> make_builtin(std::string_view name, const Dataset* data) {
  for (const Builtin& model : kBuiltins) {
    if (model.name == name) return model.make(task_of(data));
  }
  return std::nullopt;
}

std::vector<std::string> Model::builtin_names() {
  std::vector<std::string> names;
  for (const Builtin& model : kBuiltins) names.emplace_back(model.name);
  return names;
}

}  // namespace soma
