// soma_bench_peers: times oneDNN called directly, for `soma bench`. Prints one line of JSON:
// the timing, or why there is none.
#include <omp.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "raw.hpp"
#include "raw_model.hpp"

namespace {

using namespace soma::bench;

std::string time_case(char** args) {
  omp_set_num_threads(std::atoi(args[1]));
  const auto measured = time_raw(find_case(args[0]), std::atof(args[2]));
  return measured ? to_json(*measured) : unsupported_json("oneDNN has no primitive for it");
}

std::string time_model(char** args) {
  omp_set_num_threads(std::atoi(args[3]));
  const Mode mode = std::string_view(args[1]) == "infer" ? Mode::infer : Mode::train;
  return time_raw_model(args[0], mode, std::atoll(args[2]), std::atof(args[4]));
}

}  // namespace

int main(int argc, char** argv) {
  const bool model = argc == 7 && std::string_view(argv[1]) == "--model";
  if (!model && argc != 4) {
    std::fputs(
        "usage: soma_bench_peers CASE THREADS SECONDS\n"
        "       soma_bench_peers --model MODEL train|infer BATCH THREADS SECONDS\n",
        stderr);
    return 2;
  }
  try {
    std::puts((model ? time_model(argv + 2) : time_case(argv + 1)).c_str());
  } catch (const std::exception& e) {
    std::puts(soma::bench::unsupported_json(e.what()).c_str());
  }
  return 0;
}
