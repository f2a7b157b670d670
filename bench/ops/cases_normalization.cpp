#include "cases.hpp"
#include "soma/sdk/ops/layer_norm.hpp"

namespace soma::bench {

void add_normalization(std::vector<Case>& list) {
  // 4096 positions of a transformer of width 768.
  const ops::RowNorm norm;
  const Shape x{4096, 768};
  list.push_back({"layer_norm:4096x768.fwd", {norm.forward(x, Purpose::train)}, true});
  list.push_back({"layer_norm:4096x768.bwd", {norm.backward(x)}, true});
}

}  // namespace soma::bench
