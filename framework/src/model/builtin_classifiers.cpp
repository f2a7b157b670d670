#include "model/builtin_models.hpp"

namespace soma {
namespace {

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
Model lenet5(const Task& any) {
  const Task task = any.of_images();
  Model net(task.sample, "lenet5");
  net.add(Conv2d{.filters = 32, .kernel = 5, .padding = Padding::same, .activation = "relu"},
          "conv1");
  net.add(MaxPool2d{.size = 2}, "pool1");
  net.add(Conv2d{.filters = 64, .kernel = 5, .padding = Padding::same, .activation = "relu"},
          "conv2");
  net.add(MaxPool2d{.size = 2}, "pool2");
  net.add(Flatten{}, "flatten");
  net.add(Dense{.units = 512, .activation = "relu"}, "fc1");
  net.add(Dense{.units = task.outputs}, "fc2");
  net.set_loss(task.loss);
  return net;
}

/// Tells sounds by their wave form: three convolutions over time, the mean over what is left. Takes
/// [T,C]; without data 512 samples of sound and four classes.
Model audio_cnn(const Task& any) {
  const Task task = any.sample.rank() == 2 ? any : Task{{512, 1}, 4};
  Model net(task.sample, "audio-cnn");
  net.add(Conv1d{.filters = 16, .kernel = 9, .padding = Padding::same, .activation = "relu"},
          "conv1");
  net.add(MaxPool1d{.size = 4}, "pool1");
  net.add(Conv1d{.filters = 32, .kernel = 9, .padding = Padding::same, .activation = "relu"},
          "conv2");
  net.add(MaxPool1d{.size = 4}, "pool2");
  net.add(Conv1d{.filters = 64, .kernel = 5, .padding = Padding::same, .activation = "relu"},
          "conv3");
  net.add(Mean{}, "mean");
  net.add(Dense{.units = task.outputs}, "logits");
  net.set_loss(task.loss);
  return net;
}

}  // namespace

std::span<const Builtin> builtin_classifiers() {
  static constexpr Builtin kModels[] = {{"perceptron", perceptron},
                                        {"mlp", mlp},
                                        {"tabular", tabular},
                                        {"lenet5", lenet5},
                                        {"audio-cnn", audio_cnn}};
  return kModels;
}

}  // namespace soma
