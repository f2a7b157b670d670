#include "cases.hpp"
#include "soma/sdk/ops/optimizer.hpp"

namespace soma::bench {

void add_optimizer(std::vector<Case>& list) {
  // The largest weight of LeNet-5.
  const Shape weight{512, 3136};
  list.push_back({"momentum:512x3136", {ops::Sgd{.momentum = 0.9}.step(weight)}});
  list.push_back({"adam:512x3136", {ops::Adam{}.step(weight)}});
}

}  // namespace soma::bench
