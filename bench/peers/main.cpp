// soma_bench_peers: times oneDNN called directly, for `soma bench`. Prints one line of JSON:
// the timing, or why there is none.
#include <omp.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "raw.hpp"

namespace soma::bench {
namespace {

std::optional<Measured> time_raw(const Case& c, double seconds) {
  for (const auto group : {raw_product, raw_convolution, raw_pool, raw_pointwise, raw_softmax,
                           raw_normalization, raw_recurrent, raw_attention}) {
    if (auto measured = group(c, seconds)) return measured;
  }
  return std::nullopt;
}

}  // namespace
}  // namespace soma::bench

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: soma_bench_peers CASE THREADS SECONDS\n", stderr);
    return 2;
  }
  try {
    omp_set_num_threads(std::atoi(argv[2]));
    const auto measured =
        soma::bench::time_raw(soma::bench::find_case(argv[1]), std::atof(argv[3]));
    std::puts(measured ? to_json(*measured).c_str()
                       : soma::bench::unsupported_json("oneDNN has no primitive for it").c_str());
  } catch (const std::exception& e) {
    std::puts(soma::bench::unsupported_json(e.what()).c_str());
  }
  return 0;
}
