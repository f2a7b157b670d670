// A backend that refuses a fused op is given the plain ones.
#include <gtest/gtest.h>

#include <algorithm>

#include "soma/plugins.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

Model residual_net() {
  Model net({6, 6, 4}, "residual");
  net.add(Conv2d{.filters = 4, .kernel = 3, .padding = Padding::same}, "conv1");
  net.add(Conv2d{.filters = 4, .kernel = 3, .padding = Padding::same}, "conv2");
  net.add(Add{}, "sum", {"conv1", "conv2"}).add(Activation{"relu"}).add(Dense{.units = 3});
  net.initialize(3);
  return net;
}

/// How many kernels of a training step add, and how many take a residual.
std::pair<int, int> sums_and_residuals(Trainer& trainer) {
  std::pair<int, int> found;
  for (const auto& kernel : trainer.kernels(2)) {
    found.first += kernel.op.starts_with("add/1.fwd") ? 1 : 0;
    found.second += kernel.op.find("residual=1") != std::string::npos ? 1 : 0;
  }
  return found;
}

TEST(RefusedFusion, LeavesThePlainOpsAndTheBits) {
  add_plugin_path(UNFUSED_FOLDER);
  const Backend refuses = backend("unfused"), takes = backend("reference");
  Model net = residual_net(), same = residual_net();
  Trainer plain(net, refuses), fused(same, takes);
  EXPECT_EQ(sums_and_residuals(plain).second, 0);
  EXPECT_EQ(sums_and_residuals(fused).second, 1);
  EXPECT_EQ(sums_and_residuals(plain).first, sums_and_residuals(fused).first + 1);

  std::vector<float> x(2 * 144);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
  const std::vector<std::int32_t> labels = {2, 0};
  for (int i = 0; i < 3; ++i) {
    plain.step(x, labels);
    fused.step(x, labels);
  }
  for (std::size_t p = 0; p < net.parameters().size(); ++p) {
    EXPECT_TRUE(std::ranges::equal(net.parameters()[p].value.as<float>(),
                                   same.parameters()[p].value.as<float>()))
        << net.parameters()[p].name;
  }
  std::vector<float> a(2 * 3), b(a);
  Predictor(net, refuses, {.max_batch = 2}).run(x, a);
  Predictor(same, takes, {.max_batch = 2}).run(x, b);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace soma
