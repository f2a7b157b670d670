#include "case_list.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma::conformance {
namespace {

struct SoftmaxCase {
  std::int64_t n, c;
  Spread spread = Spread::unit;
};

// To add a case, add a line.
const SoftmaxCase kSoftmaxCases[] = {
    {1, 1},
    {17, 1},
    {2, 2},
    {3, 3},
    {1, 7},
    {2, 8},
    {3, 9},
    {1, 15},
    {2, 16},
    {5, 17},
    {17, 10},
    {2, 31},
    {1, 33},
    {2, 63},
    {3, 65},
    {2, 127},
    {3, 1000},
    {2, 4095},
    {1, 4096},
    {2, 4097},
    {1, 10000},
    {0, 5},
    {3, 0},
    {64, 10},
    {17, 10, Spread::wide},
    {2, 1000, Spread::wide},
    {33, 2, Spread::wide},
};

}  // namespace

void add_softmax_cases(std::vector<Case>& to) {
  for (const SoftmaxCase& c : kSoftmaxCases) {
    const std::string name = "_n" + std::to_string(c.n) + "_c" + std::to_string(c.c) +
                             (c.spread == Spread::wide ? "_wide" : "");
    to.push_back(
        {"softmax", "fwd" + name, ops::Softmax::forward({c.n, c.c}, Purpose::train), c.spread});
    if (c.spread == Spread::wide) continue;
    to.push_back({"softmax", "bwd" + name, ops::Softmax::backward({c.n, c.c})});
  }
  // More than caches keep: stores may go past them, from rows that begin anywhere in a cache line.
  to.push_back({"softmax", "bwd_n2096_c1003", ops::Softmax::backward({2096, 1003})});
}

}  // namespace soma::conformance
