#include "case_list.hpp"
#include "soma/sdk/ops/attention.hpp"

namespace soma::conformance {
namespace {

struct AttentionCase {
  std::int64_t batch, heads, queries, keys, width, value_width;
  bool causal = false, key_mask = false;
  Spread spread = Spread::unit;  // wide: scores of 1e4
  double scale = 0;
};

// To add a case, add a line. With a key mask and more than one item, the last sees no key at all.
const AttentionCase kAttentionCases[] = {
    {1, 1, 1, 1, 1, 1},
    {2, 1, 1, 1, 8, 8, true},
    {1, 1, 2, 3, 2, 3},
    {2, 2, 3, 2, 14, 6, true},
    {1, 3, 7, 9, 27, 24},
    {2, 2, 8, 8, 16, 16, true},
    {1, 2, 9, 15, 30, 34, true},
    {2, 4, 16, 16, 32, 32, false, true},
    {1, 1, 17, 31, 33, 17, true, true},
    {3, 2, 15, 17, 62, 30, true, true},
    {1, 2, 31, 33, 126, 66},
    {1, 1, 33, 16, 65, 127, true},  // the first queries see nothing
    {2, 1, 63, 65, 64, 64, true},
    {2, 2, 65, 65, 32, 32, true, true},
    {1, 4, 65, 64, 128, 128},
    {1, 1, 127, 127, 31, 33, true},
    {1, 2, 1, 65, 64, 64, true},  // one more token
    {1, 1, 65, 1, 16, 16},
    {1, 1, 3, 1000, 8, 8},
    {1, 1, 600, 530, 4, 4, true},  // more than one block of keys and of queries
    {1, 1, 530, 600, 4, 4, true, true},
    {1, 1, 5, 3, 513, 514, true},  // more than one block of columns
    {2, 2, 9, 9, 8, 8, true, false, Spread::wide},
    {2, 1, 17, 33, 15, 15, false, true, Spread::wide},
    {1, 2, 7, 8, 32, 16, true, false, Spread::unit, 0.5},
    {1, 1, 8, 7, 16, 31, false, false, Spread::unit, 8},
    // Zero sizes.
    {0, 2, 3, 4, 8, 8},
    {2, 2, 0, 4, 8, 8, true},
    {2, 2, 3, 0, 8, 8, false, true},
    {2, 1, 3, 4, 8, 0, true},
};

struct PackedCase {
  std::int64_t batch, heads, length, width;
  bool causal = false, key_mask = false;
};

const PackedCase kPackedCases[] = {
    {1, 1, 1, 1},
    {2, 1, 3, 5, true},
    {3, 2, 8, 14, false, true},
    {1, 4, 15, 64, true},
    {2, 2, 33, 32},
    {2, 4, 64, 128, true},  // char-gpt
    {1, 3, 65, 96, true, true},
    {1, 2, 140, 34, true},  // more than one piece of rows
    {0, 2, 3, 8},
    {2, 2, 0, 8, true},
};

std::string suffix(bool causal, bool key_mask) {
  return std::string(causal ? "_causal" : "") + (key_mask ? "_mask" : "");
}

void add(std::vector<Case>& to, const AttentionCase& c) {
  const Shape q{c.batch, c.queries, c.width}, k{c.batch, c.keys, c.width},
      v{c.batch, c.keys, c.value_width};
  const ops::Attention attention{.heads = c.heads,
                                 .causal = c.causal,
                                 .packed = false,
                                 .key_mask = c.key_mask,
                                 .scale = c.scale};
  const auto n = [](std::int64_t value) { return std::to_string(value); };
  const std::string name = "_b" + n(c.batch) + "_h" + n(c.heads) + "_q" + n(c.queries) + "_k" +
                           n(c.keys) + "_d" + n(c.width) + "_v" + n(c.value_width) +
                           suffix(c.causal, c.key_mask) + (c.scale != 0 ? "_scaled" : "") +
                           (c.spread == Spread::wide ? "_wide" : "");
  to.push_back({"attention", "fwd" + name, attention.forward(q, k, v, Purpose::train), c.spread});
  to.push_back({"attention", "infer" + name, attention.forward(q, k, v, Purpose::infer), c.spread});
  if (c.spread == Spread::wide) return;
  to.push_back({"attention", "bwd" + name, attention.backward(q, k, v)});
}

void add(std::vector<Case>& to, const PackedCase& c) {
  const Shape qkv{c.batch, c.length, 3 * c.width};
  const ops::Attention attention{
      .heads = c.heads, .causal = c.causal, .packed = true, .key_mask = c.key_mask};
  const std::string name = "_packed_b" + std::to_string(c.batch) + "_h" + std::to_string(c.heads) +
                           "_t" + std::to_string(c.length) + "_d" + std::to_string(c.width) +
                           suffix(c.causal, c.key_mask);
  to.push_back({"attention", "fwd" + name, attention.forward(qkv, Purpose::train)});
  to.push_back({"attention", "infer" + name, attention.forward(qkv, Purpose::infer)});
  to.push_back({"attention", "bwd" + name, attention.backward(qkv)});
}

}  // namespace

void add_attention_cases(std::vector<Case>& to) {
  for (const AttentionCase& c : kAttentionCases) add(to, c);
  for (const PackedCase& c : kPackedCases) add(to, c);
}

}  // namespace soma::conformance
