#pragma once

#include <string>
#include <vector>

/// Something that was measured, and what it may be at most.
struct Figure {
  std::string name;
  double measured = 0, limit = 0;
  std::string unit;
  bool held() const { return measured <= limit; }
};

/// "admission beside the load, per plugin" and "soma backends": in fresh processes, taking turns.
std::vector<Figure> admission_figures();
/// Time of a plugin's activation as a share of the built-in one, forward and backward, under the
/// loops of each ready backend that has them in parallel.
std::vector<Figure> activation_figures();

/// What a fresh process of admission_figures() does: prints milliseconds. "list" admits what is
/// found, "load" only loads and enters the same files.
int run_admission_child(const std::string& what);

double median(std::vector<double> values);
