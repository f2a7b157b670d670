#include "case_list.hpp"
#include "soma/sdk/ops/optimizer.hpp"

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
  to.push_back({"optimizer", "sgd_nesterov" + suffix(kLarge),
                ops::Sgd{.momentum = 0.9, .weight_decay = 5e-4, .nesterov = true}.step(kLarge)});
  to.push_back(
      {"optimizer", "adam_decay" + suffix(kLarge), ops::Adam{.weight_decay = 1e-3}.step(kLarge)});
}

}  // namespace soma::conformance
