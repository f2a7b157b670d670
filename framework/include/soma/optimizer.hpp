#pragma once

#include <string>

#include "soma/sdk/op.hpp"

namespace soma {

/// Stochastic gradient descent; the update is that of ops::Sgd. weight_decay is added to the
/// gradient.
struct Sgd {
  double learning_rate = 0.01;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

/// Adam; the update is that of ops::Adam. weight_decay is added to the gradient.
struct Adam {
  double learning_rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
};

/// Any optimizer, as data.
struct Optimizer {
  std::string type = "adam";  ///< "sgd" or "adam"
  double learning_rate = 0.001;
  Attributes options;  ///< momentum, beta1, ... under the names above

  Optimizer() = default;
  Optimizer(const Sgd& o)
      : type("sgd"), learning_rate(o.learning_rate) {  // NOLINT: an Sgd is an Optimizer
    options.set("momentum", o.momentum);
    options.set("weight_decay", o.weight_decay);
    options.set("nesterov", static_cast<std::int64_t>(o.nesterov));
  }
  Optimizer(const Adam& o) : learning_rate(o.learning_rate) {  // NOLINT: an Adam is an Optimizer
    options.set("beta1", o.beta1);
    options.set("beta2", o.beta2);
    options.set("epsilon", o.epsilon);
    options.set("weight_decay", o.weight_decay);
  }
};

}  // namespace soma
