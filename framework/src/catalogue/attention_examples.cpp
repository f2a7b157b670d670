#include "catalogue/catalogue.hpp"
#include "soma/sdk/ops/attention.hpp"

namespace soma {

std::vector<Op> attention_examples() {
  // The attention of a block of char-gpt: batch 12, context 64, 4 heads, width 128.
  const ops::Attention attention{.heads = 4, .causal = true, .packed = true};
  const Shape qkv{12, 64, 384};
  return {attention.forward(qkv, Purpose::train), attention.backward(qkv)};
}

}  // namespace soma
