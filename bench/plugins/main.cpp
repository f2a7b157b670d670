// What plugins cost. Usage: soma_bench_plugins [--gate]; with --gate the exit code is 1 if a target
// was missed.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "figures.hpp"

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--child") == 0) return run_admission_child(argv[2]);
  const bool gate = argc == 2 && std::strcmp(argv[1], "--gate") == 0;
  if (argc > 1 && !gate) {
    std::fprintf(stderr, "usage: %s [--gate]\n", argv[0]);
    return 2;
  }
  int missed = 0;
  for (const auto& measure : {admission_figures, activation_figures}) {
    for (const Figure& f : measure()) {
      std::printf("%-58s %8.3f %s, at most %g%s\n", f.name.c_str(), f.measured, f.unit.c_str(),
                  f.limit, f.held() ? "" : "  MISSED");
      std::fflush(stdout);
      missed += f.held() ? 0 : 1;
    }
  }
  return gate && missed > 0 ? 1 : 0;
}
