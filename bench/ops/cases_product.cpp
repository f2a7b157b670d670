#include "cases.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/matmul.hpp"

namespace soma::bench {

void add_product(std::vector<Case>& list) {
  for (const std::int64_t n : {256, 512, 1024, 2048}) {
    list.push_back({"matmul:" + std::to_string(n),
                    {ops::Matmul{}.forward({1, n, n}, {1, n, n}, Purpose::infer)},
                    true});
  }
  const ops::Linear linear;
  const Shape features{64, 3136}, weight{512, 3136};
  list.push_back({"lenet5:dense1.fwd", {linear.forward(features, weight, Purpose::train)}});
  list.push_back({"lenet5:dense1.bwd_data", {linear.backward_data(features, weight)}});
  list.push_back({"lenet5:dense1.bwd_weights", {linear.backward_weights(features, weight)}});
}

}  // namespace soma::bench
