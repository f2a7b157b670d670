#include "cases.hpp"
#include "soma/sdk/ops/attention.hpp"

namespace soma::bench {

void add_attention(std::vector<Case>& list) {
  // 128 heads in all, 64 steps, 64 columns a head.
  const ops::Attention plain{.heads = 4};
  const Shape x{32, 64, 256};
  list.push_back({"attention:128x64.fwd", {plain.forward(x, x, x, Purpose::train)}, true});
  list.push_back({"attention:128x64.bwd", {plain.backward(x, x, x)}, true});
  // A block of char-gpt.
  const ops::Attention causal{.heads = 4, .causal = true, .packed = true};
  const Shape qkv{12, 64, 3 * 128};
  list.push_back({"char-gpt:attention.fwd", {causal.forward(qkv, Purpose::train)}, true});
  list.push_back({"char-gpt:attention.bwd", {causal.backward(qkv)}, true});
}

}  // namespace soma::bench
