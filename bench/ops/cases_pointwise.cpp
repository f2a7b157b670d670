#include "cases.hpp"
#include "soma/sdk/ops/pointwise.hpp"

namespace soma::bench {
namespace {

void add(std::vector<Case>& list, const char* function, bool target) {
  const Shape many{10'000'000};
  const ops::Activation activation{function};
  list.push_back(
      {std::string(function) + ":1e7.fwd", {activation.forward(many, Purpose::train)}, target});
  list.push_back({std::string(function) + ":1e7.bwd", {activation.backward(many)}, target});
}

}  // namespace

void add_pointwise(std::vector<Case>& list) {
  for (const char* function : {"relu", "sigmoid", "tanh"}) add(list, function, false);
  add(list, "gelu", true);
  const Shape many{10'000'000};
  list.push_back({"add:1e7", {ops::Add::forward(many, many, Purpose::train)}});
}

}  // namespace soma::bench
