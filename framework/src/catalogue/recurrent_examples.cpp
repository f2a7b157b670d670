#include "catalogue/catalogue.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma {

std::vector<Op> recurrent_examples() {
  constexpr Purpose kTrain = Purpose::train;
  // A batch of 32 sequences of 64 steps, 256 units.
  const Shape one{32, 64, 256}, three{32, 64, 3 * 256}, four{32, 64, 4 * 256};
  const ops::Rnn rnn;
  const ops::Lstm lstm;
  const ops::Gru gru;
  return {rnn.forward(one, kTrain), rnn.backward(one),          lstm.forward(four, kTrain),
          lstm.backward(four),      gru.forward(three, kTrain), gru.backward(three)};
}

}  // namespace soma
