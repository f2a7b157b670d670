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

/// Predicts the next character of 65 from those before: one recurrent layer of 256 units on an
/// embedding of 128. After Karpathy, "The unreasonable effectiveness of recurrent neural networks"
/// (2015).
template <class Recurrent>
Model char_recurrent(const char* name, const char* layer) {
  constexpr std::int64_t kCharacters = 65, kContext = 64;
  Model net({kContext}, name, DType::i32);
  net.add(Embedding{.vocab = kCharacters, .units = 128}, "embedding");
  net.add(Recurrent{.units = 256}, layer);
  net.add(Dense{.units = kCharacters, .last_axis = true}, "logits");
  return net;
}
Model char_rnn(const Task&) { return char_recurrent<Rnn>("char-rnn", "rnn"); }
Model char_lstm(const Task&) { return char_recurrent<Lstm>("char-lstm", "lstm"); }
Model char_gru(const Task&) { return char_recurrent<Gru>("char-gru", "gru"); }

/// Two 3x3 convolutions around which the input is added back, halving the image where `stride` is
/// 2: the skip is then a 1x1 convolution. `name` is what its layers are called after.
void add_residual_block(Model& net, const std::string& name, std::int64_t filters,
                        std::int64_t stride, std::string& from) {
  const auto conv = [&](const char* part, std::int64_t kernel, std::int64_t step,
                        const std::string& input) {
    net.add(Conv2d{.filters = filters,
                   .kernel = kernel,
                   .stride = step,
                   .padding = Padding::same,
                   .bias = false},
            name + part, {input});
    net.add(BatchNorm{}, name + part + "_norm");
  };
  conv("_conv1", 3, stride, from);
  net.add(Activation{"relu"}, name + "_relu1");
  conv("_conv2", 3, 1, name + "_relu1");
  std::string skip = from;
  if (stride != 1) {
    conv("_skip", 1, stride, from);
    skip = name + "_skip_norm";
  }
  net.add(Add{}, name + "_sum", {name + "_conv2_norm", skip});
  net.add(Activation{"relu"}, name);
  from = name;
}

/// He et al., "Deep residual learning for image recognition", arXiv:1512.03385, section 4.2, for
/// images of 32x32, with 1x1 convolutions where a skip changes its shape; 272,474 parameters.
Model resnet20(const Task&) {
  constexpr std::int64_t kBlocks = 3;
  Model net({32, 32, 3}, "resnet20");
  net.add(Conv2d{.filters = 16, .kernel = 3, .padding = Padding::same, .bias = false}, "stem_conv");
  net.add(BatchNorm{}, "stem_norm");
  net.add(Activation{"relu"}, "stem");
  std::string from = "stem";
  for (const std::int64_t filters : {16, 32, 64}) {
    for (std::int64_t block = 1; block <= kBlocks; ++block) {
      const std::string name = "stage" + std::to_string(filters) + "_" + std::to_string(block);
      add_residual_block(net, name, filters, filters > 16 && block == 1 ? 2 : 1, from);
    }
  }
  net.add(GlobalAvgPool2d{}, "pool");
  net.add(Dense{.units = 10}, "logits");
  return net;
}

struct Builtin {
  std::string_view name;
  Model (*make)(const Task& task);
};

constexpr Builtin kBuiltins[] = {{"perceptron", perceptron}, {"mlp", mlp},
                                 {"tabular", tabular},       {"lenet5", lenet5},
                                 {"resnet20", resnet20},     {"char-rnn", char_rnn},
                                 {"char-lstm", char_lstm},   {"char-gru", char_gru},
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
