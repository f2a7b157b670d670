#include "cases.hpp"
#include "soma/sdk/ops/conv2d.hpp"

namespace soma::bench {
namespace {

void add(std::vector<Case>& list, const std::string& name, const Shape& input, const Shape& weight,
         std::int64_t pad, bool target) {
  const ops::Conv2d conv{
      .window = {.pad_top = pad, .pad_bottom = pad, .pad_left = pad, .pad_right = pad}};
  list.push_back({name + ".fwd", {conv.forward(input, weight, Purpose::train)}, target});
  list.push_back({name + ".bwd_data", {conv.backward_data(input, weight)}, target});
  list.push_back({name + ".bwd_weights", {conv.backward_weights(input, weight)}, target});
}

}  // namespace

void add_convolution(std::vector<Case>& list) {
  // ResNet-20 on CIFAR-10 (16 to 64 channels) and the middle of ResNet-18 at that image size.
  constexpr struct {
    std::int64_t channels, extent;
  } kBlocks[] = {{16, 32}, {32, 16}, {64, 8}, {128, 16}, {256, 8}};
  for (const auto& [c, extent] : kBlocks) {
    add(list, "conv3x3:" + std::to_string(c), {32, extent, extent, c}, {c, 3, 3, c}, 1, true);
  }
  add(list, "lenet5:conv1", {64, 28, 28, 1}, {32, 5, 5, 1}, 2, false);
  add(list, "lenet5:conv2", {64, 14, 14, 32}, {64, 5, 5, 32}, 2, false);
}

}  // namespace soma::bench
