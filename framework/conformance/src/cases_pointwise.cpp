#include "case_list.hpp"
#include "soma/sdk/ops/pointwise.hpp"

namespace soma::conformance {
namespace {

// To add a shape, add it here.
const Shape kShapes[] = {{},      {0},   {1},    {2, 0, 3},  {3},          {7},     {2, 4},
                         {9},     {15},  {4, 4}, {17},       {31},         {3, 11}, {63},
                         {5, 13}, {127}, {1000}, {17, 1000}, {2, 7, 5, 3}, {4099},  {64, 512}};

std::string suffix(const Shape& shape) {
  std::string text;
  for (const std::int64_t dim : shape.dims()) text += "_" + std::to_string(dim);
  return text.empty() ? "_scalar" : text;
}

}  // namespace

void add_pointwise_cases(std::vector<Case>& to) {
  for (const char* name : {"relu", "sigmoid", "tanh"}) {
    const ops::Activation activation{name};
    for (const Shape& shape : kShapes) {
      to.push_back({"pointwise", std::string(name) + "_fwd" + suffix(shape),
                    activation.forward(shape, Purpose::train),
                    name == std::string("relu") ? Spread::offset : Spread::unit});
      to.push_back({"pointwise", std::string(name) + "_bwd" + suffix(shape),
                    activation.backward(shape),
                    name == std::string("relu") ? Spread::offset : Spread::unit});
    }
    to.push_back({"pointwise", std::string(name) + "_fwd_wide",
                  activation.forward({7, 1000}, Purpose::infer), Spread::wide});
    to.push_back({"pointwise", std::string(name) + "_bwd_wide", activation.backward({7, 1000}),
                  Spread::wide});
  }
  for (const Shape& shape : kShapes) {
    to.push_back(
        {"pointwise", "add" + suffix(shape), ops::Add::forward(shape, shape, Purpose::train)});
  }
}

}  // namespace soma::conformance
