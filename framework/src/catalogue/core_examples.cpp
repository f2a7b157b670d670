#include <iterator>

#include "catalogue/catalogue.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/loss.hpp"
#include "soma/sdk/ops/matmul.hpp"
#include "soma/sdk/ops/optimizer.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "soma/sdk/ops/pool2d.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma {

std::vector<Op> core_examples() {
  constexpr Purpose kTrain = Purpose::train;
  // LeNet-5: the second convolution, the first pooling, the first dense layer, the logits.
  const Shape images{64, 14, 14, 32}, filters{64, 5, 5, 32}, first_maps{64, 28, 28, 32};
  const Shape features{64, 3136}, dense_weight{512, 3136}, hidden{64, 512}, logits{64, 10};
  const Shape left{1, 64, 3136}, right{1, 3136, 512};

  const ops::Conv2d conv{.window = {.pad_top = 2, .pad_bottom = 2, .pad_left = 2, .pad_right = 2},
                         .groups = 1,
                         .epilogue = {.bias = true, .residual = false, .activation = "relu"},
                         .accumulate = false};
  const ops::Linear dense{.epilogue = {.bias = true, .residual = false, .activation = "relu"},
                          .accumulate = false};
  const ops::Matmul matmul;
  const ops::Pool2d pool;
  const ops::Sgd sgd{.momentum = 0.9, .weight_decay = 0, .nesterov = false};
  const ops::Adam adam;

  std::vector<Op> examples = {
      dense.forward(features, dense_weight, kTrain),
      dense.backward_data(features, dense_weight),
      dense.backward_weights(features, dense_weight),
      matmul.forward(left, right, kTrain),
      matmul.backward_a(left, right),
      matmul.backward_b(left, right),
      conv.forward(images, filters, kTrain),
      conv.backward_data(images, filters),
      conv.backward_weights(images, filters),
      pool.max_forward(first_maps, kTrain),
      pool.max_backward(first_maps),
      pool.avg_forward(first_maps, kTrain),
      pool.avg_backward(first_maps),
  };
  for (const char* name : {"relu", "sigmoid", "tanh"}) {
    const ops::Activation activation{name};
    examples.push_back(activation.forward(hidden, kTrain));
    examples.push_back(activation.backward(hidden));
  }
  const Op rest[] = {
      ops::Add::forward(hidden, hidden, kTrain),
      ops::Softmax::forward(logits, kTrain),
      ops::Softmax::backward(logits),
      ops::SoftmaxCrossEntropy{}.forward(logits, kTrain),
      ops::SoftmaxCrossEntropy{}.backward(logits),
      ops::MeanSquaredError{}.forward(logits, kTrain),
      ops::MeanSquaredError{}.backward(logits),
      sgd.step(dense_weight),
      adam.step(dense_weight),
  };
  examples.insert(examples.end(), std::begin(rest), std::end(rest));
  return examples;
}

}  // namespace soma
