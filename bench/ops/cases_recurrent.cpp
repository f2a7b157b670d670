#include "cases.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::bench {
namespace {

/// A recurrent layer as peers have it: the op over the sequence and the product of all inputs with
/// their weights.
template <class Family>
void add(std::vector<Case>& list, const std::string& name, const Family& family, std::int64_t gates,
         bool target) {
  constexpr std::int64_t kBatch = 32, kSteps = 64, kInputs = 256, kUnits = 256;
  const ops::Linear linear;
  const Shape xw{kBatch, kSteps, gates * kUnits};
  const Shape rows{kBatch * kSteps, kInputs}, weight{gates * kUnits, kInputs};
  list.push_back(
      {name + ".fwd",
       {family.forward(xw, Purpose::train), linear.forward(rows, weight, Purpose::train)},
       target});
  list.push_back({name + ".bwd",
                  {family.backward(xw), linear.backward_data(rows, weight),
                   linear.backward_weights(rows, weight)},
                  target});
}

}  // namespace

void add_recurrent(std::vector<Case>& list) {
  add(list, "lstm:256", ops::Lstm{}, ops::Lstm::kGates, true);
  add(list, "gru:256", ops::Gru{}, ops::Gru::kGates, false);
  add(list, "rnn:256", ops::Rnn{}, 1, false);
}

}  // namespace soma::bench
