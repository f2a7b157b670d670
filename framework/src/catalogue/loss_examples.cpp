#include "catalogue/catalogue.hpp"
#include "soma/sdk/ops/loss.hpp"

namespace soma {

std::vector<Op> loss_examples() {
  const Shape outputs{64, 512};
  std::vector<Op> examples;
  const auto add = [&](const auto& family) {
    examples.push_back(family.forward(outputs, Purpose::train));
    examples.push_back(family.backward(outputs));
  };
  add(ops::MeanAbsoluteError{});
  add(ops::Huber{});
  add(ops::BinaryCrossEntropyWithLogits{});
  add(ops::KlDivergence{});
  add(ops::Hinge{});
  add(ops::Cosine{});
  return examples;
}

}  // namespace soma
