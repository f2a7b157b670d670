#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace lab {

/// A worker at the belt decides whether a crate goes out: a neuron with three inputs and a
/// threshold.
struct WorkerStory {
  struct Day {
    float heavy, fragile, urgent;  ///< 0 or 1
    double sum = 0;
    bool fires = false, should = false;
  };
  std::vector<Day> day;
  int days = 0, right = 0;
};
/// Every combination of the three, decided. `without_bias`: the worker has no opinion of his own.
WorkerStory work_shift(bool without_bias = false);

/// A cook who tastes the soup, and changes each amount by how much it was to blame.
struct CookStory {
  std::vector<double> errors;               ///< squared error of the taste, soup by soup
  std::vector<std::vector<float>> amounts;  ///< salt, pepper, lemon of each soup
  int soups = 0;
  double error_first = 0, error_last = 0;
};
CookStory cook_soup(bool never_corrects = false);

/// Tells both stories, computing what it tells. On a terminal it waits for Enter between the
/// scenes, else it goes on.
void tell_tour(std::istream& in, std::ostream& out, bool waits);

}  // namespace lab
