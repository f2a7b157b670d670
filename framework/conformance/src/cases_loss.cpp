#include "case_list.hpp"
#include "soma/sdk/ops/loss.hpp"

namespace soma::conformance {
namespace {

struct CrossEntropyCase {
  std::int64_t n, c;
  Spread spread = Spread::unit;
};

// To add a case, add a line.
const CrossEntropyCase kCrossEntropyCases[] = {
    {1, 1},
    {17, 1},
    {1, 2},
    {2, 3},
    {7, 8},
    {3, 9},
    {16, 10},
    {17, 15},
    {2, 16},
    {3, 17},
    {33, 31},
    {2, 65},
    {1, 127},
    {4, 1000},
    {1000, 3},
    {64, 10},
    {4097, 2},
    {2, 4097},
    {0, 10},
    {17, 10, Spread::wide},
    {33, 3, Spread::wide},
};

const Shape kSquaredErrorShapes[] = {{1},    {2},    {3, 3},   {15},      {16},         {17},
                                     {33},   {127},  {17, 10}, {1000},    {4095},       {4096},
                                     {4097}, {8193}, {0},      {2, 0, 3}, {2, 3, 4, 5}, {100000}};

}  // namespace

void add_loss_cases(std::vector<Case>& to) {
  for (const CrossEntropyCase& c : kCrossEntropyCases) {
    const std::string name = "_n" + std::to_string(c.n) + "_c" + std::to_string(c.c) +
                             (c.spread == Spread::wide ? "_wide" : "");
    to.push_back({"loss", "cross_entropy_fwd" + name,
                  ops::SoftmaxCrossEntropy::forward({c.n, c.c}, Purpose::train), c.spread});
    if (c.spread == Spread::wide) continue;
    to.push_back(
        {"loss", "cross_entropy_bwd" + name, ops::SoftmaxCrossEntropy::backward({c.n, c.c})});
  }
  for (const Shape& shape : kSquaredErrorShapes) {
    std::string name;
    for (const std::int64_t dim : shape.dims()) name += "_" + std::to_string(dim);
    to.push_back({"loss", "squared_error_fwd" + name,
                  ops::MeanSquaredError::forward(shape, Purpose::train)});
    to.push_back({"loss", "squared_error_bwd" + name, ops::MeanSquaredError::backward(shape)});
  }
}

}  // namespace soma::conformance
