// soma_bench: ops and training steps on each backend against oneDNN called directly and PyTorch.
// Each contestant runs in a process of its own; contestants take turns, so that a drifting machine
// hits all alike.
#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>

#include "cases.hpp"
#include "child.hpp"
#include "soma/version.hpp"

namespace soma::bench {
namespace {

struct Options {
  int threads = 2, rounds = 5;
  double seconds = 0.5;
  std::string only, child, name;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

std::vector<std::string> command_for(const Options& o, const Case& c,
                                     const std::string& contestant) {
  const std::string threads = std::to_string(o.threads), seconds = std::to_string(o.seconds);
  if (contestant.starts_with("pytorch")) {
    // Debian's own interpreter: the one that sees python3-torch.
    return {"/usr/bin/python3", std::string(SOMA_BENCH_PEERS) + "/pytorch_lenet5.py", contestant,
            threads, seconds};
  }
  return {"/proc/self/exe", "--child", contestant,  "--case", c.name,
          "--threads",      threads,   "--seconds", seconds};
}

void report(const Options& o, const Case& c) {
  const auto all = contestants(c);
  std::map<std::string, std::vector<Timing>> rounds;
  for (int round = 0; round < o.rounds; ++round) {
    for (const std::string& contestant : all) {
      if (const auto timing = time_in_child(command_for(o, c, contestant)))
        rounds[contestant].push_back(*timing);
    }
  }
  const std::string& base = all[0];
  for (const std::string& contestant : all) {
    const auto& own = rounds[contestant];
    if (own.empty()) {
      std::printf("%s,%s,%d,did not run,,,,,,\n", c.name.c_str(), contestant.c_str(), o.threads);
      continue;
    }
    std::vector<double> medians, ratios;
    for (std::size_t r = 0; r < own.size(); ++r) {
      medians.push_back(own[r].median);
      if (r < rounds[base].size()) ratios.push_back(own[r].median / rounds[base][r].median);
    }
    const auto [least, most] = std::ranges::minmax(medians);
    std::printf("%s,%s,%d,%.4f,%.4f,%.4f,%.1f", c.name.c_str(), contestant.c_str(), o.threads,
                median(medians), least, most, c.flops / median(medians) / 1e6);
    if (!ratios.empty()) {
      const auto [low, high] = std::ranges::minmax(ratios);
      std::printf(",%.3f,%.3f,%.3f", median(ratios), low, high);
    }
    std::puts("");
    std::fflush(stdout);
  }
}

int run(const Options& o) {
  if (!o.child.empty()) {
    const Case& c = find_case(o.name);
    const Timing t = o.child == "raw" ? time_raw(c, o.threads, o.seconds)
                                      : time_backend(c, o.child, o.threads, o.seconds);
    std::printf("%.6f %.6f %.6f\n", t.median, t.least, t.most);
    return 0;
  }
  std::printf(
      "# soma %s, g++ %s, %s, %d threads, %d rounds; ratio: time against the first contestant of "
      "the case, per round\n",
      version(), __VERSION__, cpu_name().c_str(), o.threads, o.rounds);
  std::puts("case,contestant,threads,median_ms,min_ms,max_ms,gflops,ratio,ratio_min,ratio_max");
  for (const Case& c : cases()) {
    if (c.name.find(o.only) != std::string::npos) report(o, c);
  }
  return 0;
}

}  // namespace
}  // namespace soma::bench

int main(int argc, char** argv) {
  namespace po = boost::program_options;
  soma::bench::Options o;
  po::options_description described(
      "soma_bench: ops and training steps, interleaved; CSV on standard output");
  described.add_options()("help", "this text")("threads", po::value(&o.threads)->default_value(2),
                                               "threads of every contestant")(
      "rounds", po::value(&o.rounds)->default_value(5), "turns of each contestant")(
      "seconds", po::value(&o.seconds)->default_value(0.5), "measured time of one turn")(
      "only", po::value(&o.only), "cases whose name has this part")(
      "child", po::value(&o.child), "time one contestant and print median, min and max in ms")(
      "case", po::value(&o.name), "the case, with --child");
  try {
    po::variables_map given;
    po::store(po::parse_command_line(argc, argv, described), given);
    po::notify(given);
    if (given.count("help") > 0) {
      std::cout << described;
      return 0;
    }
    return soma::bench::run(o);
  } catch (const po::error& e) {
    std::fprintf(stderr, "soma_bench: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "soma_bench: %s\n", e.what());
    return 1;
  }
}
