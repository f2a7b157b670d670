#include "catalogue/catalogue.hpp"
#include "soma/sdk/ops/adaptive_optimizer.hpp"
#include "soma/sdk/ops/regularization.hpp"

namespace soma {

std::vector<Op> optimizer_examples() {
  const Shape weight{512, 3136};
  return {ops::Adagrad{}.step(weight),
          ops::Rmsprop{}.step(weight),
          ops::Adadelta{}.step(weight),
          ops::AdamW{}.step(weight),
          ops::Nadam{}.step(weight),
          ops::Lion{}.step(weight),
          ops::Penalty{.l1 = 1e-4, .l2 = 1e-4}.forward(weight),
          ops::ClipGradient{}.forward(weight),
          ops::SquaredNorm::forward(weight),
          ops::ClipByNorm{}.forward(weight),
          ops::MaxNorm{}.forward(weight)};
}

}  // namespace soma
