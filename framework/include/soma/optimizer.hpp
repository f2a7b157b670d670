#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "soma/api.hpp"
#include "soma/sdk/op.hpp"

namespace soma {

// The updates are those of the op families of the same names in soma/sdk/ops/optimizer.hpp and
// adaptive_optimizer.hpp. weight_decay is added to the gradient, but for AdamW and Lion decoupled:
// w <- w - learning_rate * weight_decay * w. It applies to every parameter, biases included.

/// Stochastic gradient descent.
struct Sgd {
  double learning_rate = 0.01;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

struct Adagrad {
  double learning_rate = 0.01;
  double epsilon = 1e-10;
  double weight_decay = 0;
};

struct Rmsprop {
  double learning_rate = 0.01;
  double alpha = 0.99;  ///< share of the old mean of squares
  double epsilon = 1e-8;
  double momentum = 0;
  double weight_decay = 0;
  bool centered = false;
};

struct Adadelta {
  double learning_rate = 1;
  double rho = 0.9;  ///< share of the old means
  double epsilon = 1e-6;
  double weight_decay = 0;
};

struct Adam {
  double learning_rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
};

/// Adam with decoupled weight decay.
struct AdamW {
  double learning_rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
};

/// Adam with Nesterov momentum.
struct Nadam {
  double learning_rate = 0.002;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double momentum_decay = 0.004;
};

/// Steps of the same size for every weight; weight decay decoupled.
struct Lion {
  double learning_rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;
};

/// Any optimizer, as data.
struct Optimizer {
  std::string type = "adam";  ///< one of optimizer_names()
  double learning_rate = 0.001;
  Attributes options;  ///< momentum, beta1, ... under the names above

  Optimizer() = default;
  // NOLINTBEGIN(google-explicit-constructor): each of them is an Optimizer
  Optimizer(const Sgd& o)
      : Optimizer("sgd", o.learning_rate,
                  {{"momentum", o.momentum},
                   {"weight_decay", o.weight_decay},
                   {"nesterov", std::int64_t{o.nesterov}}}) {}
  Optimizer(const Adagrad& o)
      : Optimizer("adagrad", o.learning_rate,
                  {{"epsilon", o.epsilon}, {"weight_decay", o.weight_decay}}) {}
  Optimizer(const Rmsprop& o)
      : Optimizer("rmsprop", o.learning_rate,
                  {{"alpha", o.alpha},
                   {"epsilon", o.epsilon},
                   {"momentum", o.momentum},
                   {"weight_decay", o.weight_decay},
                   {"centered", std::int64_t{o.centered}}}) {}
  Optimizer(const Adadelta& o)
      : Optimizer("adadelta", o.learning_rate,
                  {{"rho", o.rho}, {"epsilon", o.epsilon}, {"weight_decay", o.weight_decay}}) {}
  Optimizer(const Adam& o)
      : Optimizer("adam", o.learning_rate,
                  {{"beta1", o.beta1},
                   {"beta2", o.beta2},
                   {"epsilon", o.epsilon},
                   {"weight_decay", o.weight_decay}}) {}
  Optimizer(const AdamW& o)
      : Optimizer("adamw", o.learning_rate,
                  {{"beta1", o.beta1},
                   {"beta2", o.beta2},
                   {"epsilon", o.epsilon},
                   {"weight_decay", o.weight_decay}}) {}
  Optimizer(const Nadam& o)
      : Optimizer("nadam", o.learning_rate,
                  {{"beta1", o.beta1},
                   {"beta2", o.beta2},
                   {"epsilon", o.epsilon},
                   {"weight_decay", o.weight_decay},
                   {"momentum_decay", o.momentum_decay}}) {}
  Optimizer(const Lion& o)
      : Optimizer("lion", o.learning_rate,
                  {{"beta1", o.beta1}, {"beta2", o.beta2}, {"weight_decay", o.weight_decay}}) {}
  // NOLINTEND(google-explicit-constructor)

 private:
  Optimizer(std::string name, double rate, const std::vector<Attributes::Entry>& entries)
      : type(std::move(name)), learning_rate(rate) {
    for (const auto& [key, value] : entries) options.set(key, value);
  }
};

/// "sgd", "adagrad", ... and those that plugins bring.
SOMA_API std::vector<std::string> optimizer_names();
/// The optimizer of that name with its defaults. Throws StateError that lists the names.
SOMA_API Optimizer optimizer_from_name(std::string_view name);

/// What else happens in an update, in this order; 0 leaves it out. Penalties and max_norm concern
/// weights, which are the parameters of two axes or more; not biases, nor the gains of a
/// normalisation. Clipping concerns all gradients.
struct Regularization {
  double l1 = 0;  ///< l1 * sum |w| is added to the loss that is minimised (not to the one reported)
  double l2 = 0;  ///< l2 / 2 * sum w^2, alike
  double clip_value = 0;  ///< each element of the gradients held within [-clip_value, clip_value]
  double clip_norm = 0;   ///< all gradients scaled down together so that their norm is at most this
  double max_norm = 0;  ///< after the optimizer: the weights of each unit scaled down to this norm
};

}  // namespace soma
