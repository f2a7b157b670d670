// soma_bench_small: what one call of a Predictor costs on a net that is smaller than the call
// should be, an MLP 16-32-32-1 with tanh, one sample at a time.
//
//   soma_bench_small [BACKEND [SECONDS [fast|exact]]]      (default: tbb 2 fast)
//
// `block` is the time per call over blocks of 1000 calls, without a clock in between; `call` is
// that of single calls, less what reading the clock twice takes.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "soma/layers.hpp"
#include "soma/predictor.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double us(Clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

/// The share-th of the sorted values.
double at(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

soma::Model small_net() {
  soma::Model net({16}, "small");
  net.add(soma::Dense{.units = 32, .activation = "tanh"});
  net.add(soma::Dense{.units = 32, .activation = "tanh"});
  net.add(soma::Dense{.units = 1});
  net.set_loss(soma::Loss::mean_squared_error);
  net.initialize(1);
  return net;
}

/// Calls `body` for some seconds, `calls` times between two looks at the clock; us per call,
/// sorted.
template <class Body>
std::vector<double> time(double seconds, int calls, const Body& body) {
  std::vector<double> times;
  times.reserve(1 << 22);
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  for (auto begin = Clock::now(); begin < end && times.size() < times.capacity();) {
    begin = Clock::now();
    for (int i = 0; i < calls; ++i) body();
    times.push_back(us(Clock::now() - begin) / calls);
  }
  std::ranges::sort(times);
  return times;
}

int run(const std::string& name, double seconds, soma::Numerics numerics) {
  const soma::Predictor predict(small_net(), soma::backend(name, {.numerics = numerics}),
                                {.max_batch = 1, .threads = 1, .concurrency = 1});
  std::array<float, 16> input{};
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = 0.1f * static_cast<float>(i) - 0.8f;
  std::array<float, 1> output{};
  const auto call = [&] {
    input[0] = output[0];  // the next call waits for this one, as in a control loop
    predict.run(input, output);
  };
  time(seconds / 4, 1000, call);
  const auto block = time(seconds, 1000, call);
  const double clock = at(time(seconds / 10, 1, [] {}), 0.5);
  auto single = time(seconds, 1, call);
  for (double& t : single) t -= clock;
  const double median = at(single, 0.5), p99 = at(single, 0.99);
  std::printf(
      "MLP 16-32-32-1 tanh, batch 1, %s: block least %.3f median %.3f us; call least %.3f median "
      "%.3f p99 %.3f us, p99 / median %.2f (%zu calls)\n",
      name.c_str(), block.front(), at(block, 0.5), single.front(), median, p99, p99 / median,
      single.size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string numerics = argc > 3 ? argv[3] : "fast";
    return run(argc > 1 ? argv[1] : "tbb", argc > 2 ? std::atof(argv[2]) : 2,
               numerics == "exact"  ? soma::Numerics::exact
               : numerics == "bf16" ? soma::Numerics::bf16
                                    : soma::Numerics::fast);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "soma_bench_small: %s\n", e.what());
    return 1;
  }
}
