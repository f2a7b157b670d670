#pragma once

#include <functional>
#include <span>

#include "soma/backend.hpp"
#include "soma/dataset.hpp"
#include "soma/model.hpp"

namespace soma {

/// Limited-memory BFGS for small problems without noise: the whole data set is one batch. The
/// search along each direction ends at a point that satisfies the strong Wolfe conditions (1e-4 and
/// 0.9). Everything but the function itself is computed on the calling thread in float64, sums in
/// canonical order, so equal functions give equal bits.
/// Source: Nocedal & Wright, Numerical Optimization, 2nd ed., algorithms 7.4, 7.5, 3.5 and 3.6.
struct SOMA_API Lbfgs {
  int history = 10;                  ///< pairs of steps and gradient changes kept
  int iterations = 100;              ///< at most
  double gradient_tolerance = 1e-5;  ///< done when no element of the gradient is larger
  double change_tolerance = 1e-9;    ///< done when a step lowers f by less than this share of it

  enum class End {
    gradient,    ///< no element of the gradient exceeds gradient_tolerance
    change,      ///< the last step hardly changed f
    precision,   ///< no better point along the direction: f is as low as its rounding allows
    iterations,  ///< stopped before any of these
  };
  struct Result {
    double loss = 0;
    double gradient = 0;  ///< largest absolute element
    int iterations = 0, evaluations = 0;
    End end = End::iterations;
  };

  /// f(x), with its gradient written to the second argument.
  using Function = std::function<double(std::span<const double>, std::span<double>)>;

  /// Moves x to a local minimum of f.
  Result minimize(const Function& f, std::span<double> x) const;

  /// Minimises the model's loss on all of `data`, from the weights it has (or those of seed 1).
  /// Losses and gradients are float32, so a gradient_tolerance below 1e-6 is seldom reached. Random
  /// layers draw the same numbers at every evaluation. `threads` as in TrainerOptions.
  Result fit(Model& model, const Backend& backend, const Dataset& data, int threads = 0) const;
};

}  // namespace soma
