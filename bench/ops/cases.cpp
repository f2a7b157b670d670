#include "cases.hpp"

#include <algorithm>
#include <chrono>

#include "soma/error.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/matmul.hpp"

namespace soma::bench {
namespace {

void add_convolution(std::vector<Case>& list, const std::string& name, const Shape& input,
                     const Shape& weight, std::int64_t pad) {
  ops::Conv2d conv{
      .window = {.pad_top = pad, .pad_bottom = pad, .pad_left = pad, .pad_right = pad}};
  const double flops = 2.0 * static_cast<double>(conv.output_shape(input, weight).elements()) *
                       static_cast<double>(weight.elements_from(1));
  list.push_back({name + ".fwd", conv.forward(input, weight, Purpose::train), flops});
  list.push_back({name + ".bwd_data", conv.backward_data(input, weight), flops});
  list.push_back({name + ".bwd_weights", conv.backward_weights(input, weight), flops});
}

void add_linear(std::vector<Case>& list, const std::string& name, const Shape& input,
                const Shape& weight) {
  const ops::Linear linear;
  const double flops = 2.0 * static_cast<double>(input[0]) * static_cast<double>(weight.elements());
  list.push_back({name + ".fwd", linear.forward(input, weight, Purpose::train), flops});
  list.push_back({name + ".bwd_data", linear.backward_data(input, weight), flops});
  list.push_back({name + ".bwd_weights", linear.backward_weights(input, weight), flops});
}

std::vector<Case> make_cases() {
  std::vector<Case> list;
  for (const std::int64_t n : {256, 512, 1024, 2048}) {
    list.push_back({"matmul:" + std::to_string(n),
                    ops::Matmul{}.forward({1, n, n}, {1, n, n}, Purpose::infer),
                    2.0 * static_cast<double>(n * n * n)});
  }
  add_convolution(list, "lenet5:conv1", {64, 28, 28, 1}, {32, 5, 5, 1}, 2);
  add_convolution(list, "lenet5:conv2", {64, 14, 14, 32}, {64, 5, 5, 32}, 2);
  add_linear(list, "lenet5:dense1", {64, 3136}, {512, 3136});
  list.push_back({"step:lenet5", {}, 0});
  return list;
}

}  // namespace

const std::vector<Case>& cases() {
  static const std::vector<Case> list = make_cases();
  return list;
}

const Case& find_case(const std::string& name) {
  std::string known;
  for (const Case& c : cases()) {
    if (c.name == name) return c;
    known += " " + c.name;
  }
  throw Error("no case '" + name + "'; there are" + known);
}

std::vector<std::string> contestants(const Case& c) {
  if (c.op.id.empty())
    return {"onednn", "onednn-exact", "tbb", "reference", "pytorch", "pytorch-tuned"};
  return {"raw", "onednn", "onednn-exact", "tbb"};
}

Timing time(double seconds, const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  const auto elapsed = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto warm = Clock::now();
  do run();
  while (elapsed(warm) < seconds / 4);
  std::vector<double> times;
  const auto start = Clock::now();
  while (elapsed(start) < seconds || times.size() < 5) {
    const auto one = Clock::now();
    run();
    times.push_back(elapsed(one) * 1e3);
  }
  std::ranges::sort(times);
  return {times[times.size() / 2], times.front(), times.back()};
}

}  // namespace soma::bench
