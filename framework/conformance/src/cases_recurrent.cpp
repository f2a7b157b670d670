#include "case_list.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::conformance {
namespace {

struct SequenceCase {
  std::int64_t n, t, h;
  bool reverse = false;
  Spread spread = Spread::unit;
};

// Of every family; to add a case, add a line.
const SequenceCase kSequences[] = {
    {0, 3, 5},
    {3, 0, 5},
    {2, 3, 0},
    {1, 1, 1},
    {2, 5, 1, true},
    {2, 3, 2},
    {3, 2, 3, true},
    {1, 20, 7},
    {2, 4, 8, true},
    {17, 3, 9},
    {15, 2, 15},
    {2, 3, 16, true},
    {16, 2, 17},
    {1, 3, 31, true},
    {2, 3, 33},
    {1, 2, 63},
    {5, 2, 65, true},
    {33, 2, 32},
    {2, 2, 127},
    {2, 20, 17, true},
    {2, 100, 8},
    // Around the end of a block of 512 rows in the sums over (n, t).
    {171, 3, 2},
    {73, 7, 3, true},
    {32, 16, 4},
    {4, 3, 9, false, Spread::wide},
};

// Around the ends of blocks of 512 terms, forward and backward.
const SequenceCase kRnnBlocks[] = {{3, 2, 512, true}, {2, 2, 513}, {1, 1, 1000}};
const SequenceCase kGateBlocks[] = {{2, 2, 128, true}, {1, 2, 171}, {1, 1, 513}};

std::string size_of(const SequenceCase& c) {
  return "_n" + std::to_string(c.n) + "_t" + std::to_string(c.t) + "_h" + std::to_string(c.h) +
         (c.reverse ? "_reverse" : "") + (c.spread == Spread::wide ? "_wide" : "");
}

template <class Family>
void add(std::vector<Case>& to, const std::string& name, const Family& family, std::int64_t gates,
         const SequenceCase& c) {
  const Shape xw{c.n, c.t, gates * c.h};
  to.push_back({name, "fwd" + size_of(c), family.forward(xw, Purpose::train), c.spread});
  to.push_back({name, "infer" + size_of(c), family.forward(xw, Purpose::infer), c.spread});
  to.push_back({name, "bwd" + size_of(c), family.backward(xw), c.spread});
}

void add_rnn(std::vector<Case>& to, const SequenceCase& c, const std::string& activation) {
  const ops::Rnn rnn{activation, c.reverse};
  const Shape xw{c.n, c.t, c.h};
  const std::string name = size_of(c) + (activation == "relu" ? "_relu" : "");
  const Spread spread =
      activation == "relu" && c.spread == Spread::unit ? Spread::offset : c.spread;
  to.push_back({"rnn", "fwd" + name, rnn.forward(xw, Purpose::train), spread});
  to.push_back({"rnn", "bwd" + name, rnn.backward(xw), spread});
}

}  // namespace

void add_recurrent_cases(std::vector<Case>& to) {
  for (const SequenceCase& c : kSequences) {
    add_rnn(to, c, "tanh");
    if (c.t < 20) add_rnn(to, c, "relu");
  }
  for (const SequenceCase& c : kRnnBlocks) add_rnn(to, c, "tanh");
  for (const auto& list : {std::span<const SequenceCase>(kSequences), {kGateBlocks}}) {
    for (const SequenceCase& c : list) add(to, "lstm", ops::Lstm{c.reverse}, 4, c);
  }
  for (const auto& list : {std::span<const SequenceCase>(kSequences), {kGateBlocks}}) {
    for (const SequenceCase& c : list) add(to, "gru", ops::Gru{c.reverse}, 3, c);
  }
}

}  // namespace soma::conformance
