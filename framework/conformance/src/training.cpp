#include "soma/conformance/training.hpp"

#include "soma/philox.hpp"
#include "soma/trainer.hpp"

namespace soma::conformance {
namespace {

constexpr std::int64_t kClasses = 5, kWords = 19;

Model dense_net() { return net_with_activation("relu"); }

Model convolution_net() {
  Model net({9, 11, 2}, "convolution");
  net.add(Conv2d{.filters = 5, .kernel = 3, .padding = Padding::same})
      .add(BatchNorm{})
      .add(Activation{"relu"})
      .add(MaxPool2d{.size = 2})
      .add(Conv2d{.filters = 10,
                  .kernel = 3,
                  .stride = 2,
                  .padding = Padding::same,
                  .groups = 5,
                  .activation = "silu"})
      .add(AvgPool2d{.size = 2, .stride = 1})
      .add(Flatten{})
      .add(Dropout{.rate = 0.2})
      .add(Dense{.units = kClasses});
  return net;
}

Model residual_net() {
  Model net({6, 6, 3}, "residual");
  net.add(Conv2d{.filters = 7, .kernel = 1, .activation = "tanh"}, "in")
      .add(Conv2d{.filters = 7, .kernel = 3, .padding = Padding::same}, "conv")
      .add(GroupNorm{.groups = 7}, "norm")
      .add(Add{}, "skip", {"norm", "in"})
      .add(Activation{"gelu"}, "act")
      .add(Flatten{}, "flat")
      .add(LayerNorm{}, "rows")
      .add(Dense{.units = 33, .activation = "sigmoid"}, "hidden")
      .add(Dense{.units = kClasses}, "out");
  return net;
}

Model regression_net() {
  Model net({13}, "regression");
  net.add(Dense{.units = 31, .activation = "tanh"}).add(Dense{.units = 3});
  net.set_loss(Loss::huber);
  return net;
}

template <class Layer>
Model recurrent_net(Layer layer, const char* name) {
  Model net({7}, name, DType::i32);
  net.add(Embedding{.vocab = kWords, .units = 9})
      .add(std::move(layer))
      .add(Dense{.units = kWords, .last_axis = true});
  return net;
}

Model rnn_net() { return recurrent_net(Rnn{.units = 11}, "rnn"); }
Model gru_net() { return recurrent_net(Gru{.units = 10, .bidirectional = true}, "gru"); }
Model lstm_net() { return recurrent_net(Lstm{.units = 12, .layers = 2}, "lstm"); }

Model transformer_net() {
  Model net({7}, "transformer", DType::i32);
  net.add(Embedding{.vocab = kWords, .units = 12})
      .add(PositionalEncoding{.kind = "learned"})
      .add(TransformerEncoderBlock{.heads = 3, .dropout = 0.1})
      .add(Dense{.units = kWords, .last_axis = true});
  return net;
}

/// One batch for any of these nets, made of the shapes of its input and its loss. The targets
/// follow from the inputs, so that there is something to learn.
struct Batch {
  std::vector<float> numbers, targets;
  std::vector<std::int32_t> ids, labels;

  Batch(const Model& model, std::int64_t size, std::uint64_t seed, std::uint32_t step) {
    const ModelInput& input = model.inputs()[0];
    const Shape output = model.outputs()[0].shape;
    const auto sample = static_cast<std::size_t>(input.shape.elements());
    const PhiloxStream stream(seed, "certify.batch");
    const bool words = input.type == DType::i32;
    for (std::size_t row = 0; row < static_cast<std::size_t>(size); ++row) {
      const std::uint32_t kind = stream.bits(2 * step, static_cast<std::uint32_t>(row)) % kClasses;
      for (std::size_t i = 0; i < sample; ++i) {
        const auto element = static_cast<std::uint32_t>(row * sample + i);
        const float noise = stream.uniform(2 * step + 1, element);
        numbers.push_back(0.3f * static_cast<float>(kind) - 0.6f + 0.5f * noise);
        ids.push_back(static_cast<std::int32_t>((3 * kind + i) % kWords));
        if (words) labels.push_back((ids.back() + 1) % static_cast<std::int32_t>(kWords));
      }
      if (!words) labels.push_back(static_cast<std::int32_t>(kind));
      for (std::int64_t i = 0; i < output.elements(); ++i) {
        targets.push_back(numbers[row * sample] * static_cast<float>(i + 1));
      }
    }
  }
};

}  // namespace

Model net_with_activation(const std::string& activation) {
  Model net({19}, "dense");
  net.add(Dense{.units = 37, .activation = activation})
      .add(Dense{.units = 17, .activation = activation})
      .add(Dense{.units = kClasses});
  return net;
}

const std::vector<Net>& training_nets() {
  static const std::vector<Net> list = {
      {"dense", dense_net, Adam{.learning_rate = 5e-3}, 17},
      {"convolution", convolution_net, Sgd{.learning_rate = 0.05, .momentum = 0.9}, 6},
      {"residual", residual_net, AdamW{.learning_rate = 3e-3}, 5},
      {"regression", regression_net, Rmsprop{.learning_rate = 2e-3}, 16},
      {"rnn", rnn_net, Nadam{.learning_rate = 5e-3}, 6},
      {"gru", gru_net, Adagrad{.learning_rate = 0.05}, 6},
      {"lstm", lstm_net, Adam{.learning_rate = 5e-3}, 6},
      {"transformer", transformer_net, AdamW{.learning_rate = 3e-3}, 6}};
  return list;
}

Trained train(Model model, const Optimizer& optimizer, std::int64_t batch, const Backend& backend,
              int threads, int steps, std::uint64_t seed) {
  model.initialize(seed);
  Trainer trainer(model, backend,
                  {.optimizer = optimizer,
                   .seed = seed,
                   .threads = threads,
                   .nan_check = NanCheck::none});  // a NaN is told apart like all
  Trained result;
  for (int step = 0; step < steps; ++step) {
    const Batch data(model, batch, seed, static_cast<std::uint32_t>(step));
    const bool words = model.inputs()[0].type == DType::i32;
    const TensorView x = words ? TensorView(data.ids) : TensorView(data.numbers);
    const TensorView y =
        model.loss().takes_classes() ? TensorView(data.labels) : TensorView(data.targets);
    result.losses.push_back(trainer.step(x, y));
  }
  result.weights_sha256 = model.weights_sha256();
  return result;
}

}  // namespace soma::conformance
