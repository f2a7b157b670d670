#include "cases.hpp"
#include "soma/sdk/ops/pool2d.hpp"

namespace soma::bench {

void add_pool(std::vector<Case>& list) {
  const Shape maps{64, 28, 28, 32};
  const ops::Pool2d pool;
  list.push_back({"lenet5:max_pool.fwd", {pool.max_forward(maps, Purpose::train)}});
  list.push_back({"lenet5:max_pool.bwd", {pool.max_backward(maps)}});
  list.push_back({"lenet5:avg_pool.fwd", {pool.avg_forward(maps, Purpose::train)}});
  list.push_back({"lenet5:avg_pool.bwd", {pool.avg_backward(maps)}});
}

}  // namespace soma::bench
