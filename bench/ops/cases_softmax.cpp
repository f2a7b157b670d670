#include "cases.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma::bench {

void add_softmax(std::vector<Case>& list) {
  const Shape logits{4096, 1000};
  list.push_back({"softmax:4096x1000.fwd", {ops::Softmax::forward(logits, Purpose::train)}, true});
  list.push_back({"softmax:4096x1000.bwd", {ops::Softmax::backward(logits)}, true});
}

}  // namespace soma::bench
