#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soma/backend.hpp"
#include "soma/model.hpp"

namespace soma {

/// How an input is looked for that a unit answers to most.
///
/// Gradient ascent on the input: in each step x += rate * (high - low) * g / (steepest + 1e-12)
/// with g the gradient of the objective with respect to x and `steepest` the largest so far of its
/// root mean squares over the elements that can reach the unit, so that a gradient that fades (of a
/// probability near 1) lets go; then, in this order,
///   decay   x = background + (1 - decay) * (x - background)
///   smooth  of images: x += smooth * (mean of the neighbours above, below, left, right - x), which
///           is a step down the gradient of sum (difference of neighbours)^2
///   clip    x into [low, high]
/// The rate falls to a tenth along a cosine. Decay and smoothing act in the first `shaping` share
/// of the steps; the rest, where `steepest` begins anew, lets the unit have what it wants in the
/// shape that they found.
/// Source: Erhan et al., "Visualizing higher-layer features of a deep network" (2009); decay and
/// smoothing as in Yosinski et al., arXiv:1506.06579, and Mahendran & Vedaldi, arXiv:1412.0035.
struct MaximiseOptions {
  std::int64_t steps = 300;
  double rate = 0.1;
  double decay = 0.01;
  double smooth = 0.25;
  double shaping = 0.5;
  float low = 0, high = 1;     ///< what an element can be
  float background = 0;        ///< what it is without reason to be otherwise
  double noise = 0.1;          ///< x starts as background + uniform in [0, noise) * (high - low)
  std::uint64_t seed = 1;      ///< of the noise
  std::int64_t position = -1;  ///< where the unit answers; -1: NeuronView::position() of none
  /// The objective: the unit's sum (see LayerProbe), or, of a classifier's last layer, the
  /// logarithm of the class's probability.
  bool log_probability = false;
  int threads = 1;
};

/// What came out for one unit.
struct Maximised {
  std::int64_t unit = 0;
  Shape shape;               ///< of one sample of the model's input
  std::vector<float> input;  ///< where nothing can reach the unit: the background
  double before = 0;         ///< the objective at the start
  double after = 0;          ///< and for `input`
  std::vector<double> path;  ///< the objective before each step
};

/// Maximises units of a layer, each by itself, all in one batch. For models with one float32 input.
/// Deterministic where the backend is exact. Throws ShapeError for another input, a unit that the
/// layer does not have, and options out of range.
SOMA_API std::vector<Maximised> maximise(const Model& model, const std::string& layer,
                                         std::span<const std::int64_t> units,
                                         const Backend& backend,
                                         const MaximiseOptions& options = {});

/// True if the layer is an output whose loss is a cross-entropy: for MaximiseOptions's
/// log_probability.
SOMA_API bool gives_classes(const Model& model, const std::string& layer);

}  // namespace soma
