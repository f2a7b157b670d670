#include "case_list.hpp"
#include "soma/sdk/ops/optimizer.hpp"
#include "soma/sdk/ops/regularization.hpp"

namespace soma::conformance {
namespace {

struct SgdCase {
  const char* name;
  ops::Sgd sgd;
};
struct AdamCase {
  const char* name;
  ops::Adam adam;
};

// To add a case, add a line.
const SgdCase kSgdCases[] = {
    {"plain", {}},
    {"decay", {.weight_decay = 0.0078125}},
    {"momentum", {.momentum = 0.9}},
    {"momentum_decay", {.momentum = 0.9, .weight_decay = 5e-4}},
    {"nesterov", {.momentum = 0.9, .nesterov = true}},
    {"nesterov_decay", {.momentum = 0.95, .weight_decay = 1e-4, .nesterov = true}},
    {"momentum_1", {.momentum = 1.0}},
};
const AdamCase kAdamCases[] = {
    {"defaults", {}},
    {"decay", {.weight_decay = 0.0078125}},
    {"epsilon", {.epsilon = 1e-3}},
    {"betas", {.beta1 = 0.5, .beta2 = 0.9}},
    {"beta_0", {.beta1 = 0.0, .beta2 = 0.0}},
    {"all", {.beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6, .weight_decay = 1e-3}},
};
struct StepCase {
  const char* name;
  Op (*step)(const Shape&);
};

// "first": state of zeros, scalars of the first update; "lr_0": no rate; "zero", "tiny", "large":
// the size of the gradient.
const StepCase kStepCases[] = {
    {"adagrad_defaults", [](const Shape& s) { return ops::Adagrad{}.step(s); }},
    {"adagrad_first", [](const Shape& s) { return ops::Adagrad{}.step(s); }},
    {"adagrad_first_zero", [](const Shape& s) { return ops::Adagrad{}.step(s); }},
    {"adagrad_first_tiny", [](const Shape& s) { return ops::Adagrad{}.step(s); }},
    {"adagrad_large", [](const Shape& s) { return ops::Adagrad{}.step(s); }},
    {"adagrad_lr_0", [](const Shape& s) { return ops::Adagrad{}.step(s); }},
    {"adagrad_decay",
     [](const Shape& s) {
       return ops::Adagrad{.epsilon = 1e-3, .weight_decay = 0.0078125}.step(s);
     }},
    {"rmsprop_defaults", [](const Shape& s) { return ops::Rmsprop{}.step(s); }},
    {"rmsprop_first", [](const Shape& s) { return ops::Rmsprop{}.step(s); }},
    {"rmsprop_first_tiny", [](const Shape& s) { return ops::Rmsprop{}.step(s); }},
    {"rmsprop_zero", [](const Shape& s) { return ops::Rmsprop{}.step(s); }},
    {"rmsprop_large", [](const Shape& s) { return ops::Rmsprop{}.step(s); }},
    {"rmsprop_alpha_0", [](const Shape& s) { return ops::Rmsprop{.alpha = 0}.step(s); }},
    {"rmsprop_momentum",
     [](const Shape& s) {
       return ops::Rmsprop{.alpha = 0.9, .momentum = 0.9, .weight_decay = 1e-3}.step(s);
     }},
    {"rmsprop_centered", [](const Shape& s) { return ops::Rmsprop{.centered = true}.step(s); }},
    {"rmsprop_centered_first",
     [](const Shape& s) { return ops::Rmsprop{.centered = true}.step(s); }},
    {"rmsprop_all",
     [](const Shape& s) {
       return ops::Rmsprop{.epsilon = 1e-4, .momentum = 0.5, .weight_decay = 1e-2, .centered = true}
           .step(s);
     }},
    {"adadelta_defaults", [](const Shape& s) { return ops::Adadelta{}.step(s); }},
    {"adadelta_first", [](const Shape& s) { return ops::Adadelta{}.step(s); }},
    {"adadelta_first_zero", [](const Shape& s) { return ops::Adadelta{}.step(s); }},
    {"adadelta_first_tiny", [](const Shape& s) { return ops::Adadelta{}.step(s); }},
    {"adadelta_large", [](const Shape& s) { return ops::Adadelta{}.step(s); }},
    {"adadelta_rho_0", [](const Shape& s) { return ops::Adadelta{.rho = 0}.step(s); }},
    {"adadelta_decay",
     [](const Shape& s) { return ops::Adadelta{.rho = 0.5, .weight_decay = 1e-2}.step(s); }},
    {"adamw_defaults", [](const Shape& s) { return ops::AdamW{}.step(s); }},
    {"adamw_first", [](const Shape& s) { return ops::AdamW{}.step(s); }},
    {"adamw_first_zero", [](const Shape& s) { return ops::AdamW{}.step(s); }},
    {"adamw_first_tiny", [](const Shape& s) { return ops::AdamW{}.step(s); }},
    {"adamw_large", [](const Shape& s) { return ops::AdamW{}.step(s); }},
    {"adamw_lr_0", [](const Shape& s) { return ops::AdamW{}.step(s); }},
    {"adamw_beta_0", [](const Shape& s) { return ops::AdamW{.beta1 = 0, .beta2 = 0}.step(s); }},
    {"adamw_epsilon", [](const Shape& s) { return ops::AdamW{.epsilon = 1e-3}.step(s); }},
    {"nadam_defaults", [](const Shape& s) { return ops::Nadam{}.step(s); }},
    {"nadam_first", [](const Shape& s) { return ops::Nadam{}.step(s); }},
    {"nadam_first_tiny", [](const Shape& s) { return ops::Nadam{}.step(s); }},
    {"nadam_large", [](const Shape& s) { return ops::Nadam{}.step(s); }},
    {"nadam_beta_0", [](const Shape& s) { return ops::Nadam{.beta1 = 0, .beta2 = 0}.step(s); }},
    {"nadam_decay", [](const Shape& s) { return ops::Nadam{.weight_decay = 1e-2}.step(s); }},
    {"lion_defaults", [](const Shape& s) { return ops::Lion{}.step(s); }},
    {"lion_first", [](const Shape& s) { return ops::Lion{}.step(s); }},
    {"lion_zero", [](const Shape& s) { return ops::Lion{}.step(s); }},
    {"lion_first_tiny", [](const Shape& s) { return ops::Lion{}.step(s); }},
    {"lion_lr_0", [](const Shape& s) { return ops::Lion{}.step(s); }},
    {"lion_beta_0", [](const Shape& s) { return ops::Lion{.beta1 = 0, .beta2 = 0}.step(s); }},
};
const StepCase kDefaultSteps[] = {
    {"adagrad", [](const Shape& s) { return ops::Adagrad{}.step(s); }},
    {"rmsprop", [](const Shape& s) { return ops::Rmsprop{}.step(s); }},
    {"adadelta", [](const Shape& s) { return ops::Adadelta{}.step(s); }},
    {"adamw", [](const Shape& s) { return ops::AdamW{}.step(s); }},
    {"nadam", [](const Shape& s) { return ops::Nadam{}.step(s); }},
    {"lion", [](const Shape& s) { return ops::Lion{}.step(s); }},
};
const Shape kRegularized[] = {{0},     {1},    {3, 0},    {2, 3},       {15},      {16, 1},
                              {17, 9}, {1000}, {3, 4097}, {5, 3, 3, 7}, {64, 1000}};

const Shape kShapes[] = {{0}, {1}, {3}, {15}, {16}, {17}, {7, 9}, {127}, {1000}, {33, 129}};
const Shape kLarge{64, 1000};

std::string suffix(const Shape& shape) {
  std::string text;
  for (const std::int64_t dim : shape.dims()) text += "_" + std::to_string(dim);
  return text;
}

}  // namespace

void add_optimizer_cases(std::vector<Case>& to) {
  // Every option at one odd size, every size with two options, a large one that is worth threads.
  for (const SgdCase& c : kSgdCases) {
    to.push_back({"optimizer", std::string("sgd_") + c.name + "_31", c.sgd.step({31})});
  }
  for (const AdamCase& c : kAdamCases) {
    to.push_back({"optimizer", std::string("adam_") + c.name + "_31", c.adam.step({31})});
  }
  for (const Shape& shape : kShapes) {
    to.push_back({"optimizer", "sgd_plain" + suffix(shape), ops::Sgd{}.step(shape)});
    to.push_back(
        {"optimizer", "sgd_momentum" + suffix(shape), ops::Sgd{.momentum = 0.9}.step(shape)});
    to.push_back({"optimizer", "adam_defaults" + suffix(shape), ops::Adam{}.step(shape)});
  }
  for (const StepCase& c : kStepCases) {
    to.push_back({"optimizer", std::string(c.name) + "_31", c.step({31})});
  }
  for (const StepCase& c : kDefaultSteps) {
    for (const Shape& shape : kShapes) {
      to.push_back({"optimizer", c.name + suffix(shape), c.step(shape)});
    }
    to.push_back({"optimizer", c.name + suffix(kLarge), c.step(kLarge)});
  }
  for (const Shape& shape : kRegularized) {
    const std::string size = suffix(shape);
    to.push_back({"optimizer", "penalty_l1" + size, ops::Penalty{.l1 = 0.01}.forward(shape)});
    to.push_back(
        {"optimizer", "penalty_l1_l2" + size, ops::Penalty{.l1 = 0.01, .l2 = 0.1}.forward(shape)});
    to.push_back(
        {"optimizer", "clip_gradient" + size, ops::ClipGradient{.limit = 0.25}.forward(shape)});
    to.push_back({"optimizer", "squared_norm" + size, ops::SquaredNorm::forward(shape)});
    to.push_back({"optimizer", "clip_by_norm" + size, ops::ClipByNorm{}.forward(shape)});
    to.push_back({"optimizer", "clip_by_norm_long" + size, ops::ClipByNorm{}.forward(shape)});
    to.push_back({"optimizer", "max_norm" + size, ops::MaxNorm{.limit = 0.75}.forward(shape)});
  }
  to.push_back({"optimizer", "sgd_nesterov" + suffix(kLarge),
                ops::Sgd{.momentum = 0.9, .weight_decay = 5e-4, .nesterov = true}.step(kLarge)});
  to.push_back(
      {"optimizer", "adam_decay" + suffix(kLarge), ops::Adam{.weight_decay = 1e-3}.step(kLarge)});
}

}  // namespace soma::conformance
