#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soma/backend.hpp"
#include "soma/dataset.hpp"
#include "soma/neuron/neuron_view.hpp"
#include "soma/neuron/responses.hpp"

namespace soma {

/// How much the loss owes to each incoming weight of a unit (NeuronView::incoming(), one after the
/// other), by the gradient and by trying.
struct WeightAttribution {
  std::vector<std::size_t> weights;  ///< which of them; all, or as many as were asked for
  std::vector<double> attributed;    ///< -w dL/dw: what setting w to 0 changes in L to first order
  std::vector<double> ablated;       ///< L with w = 0, minus L
  double loss = 0;                   ///< L, the mean over `samples` samples
  std::int64_t samples = 0;
  double agreement = 0;  ///< rank_correlation(attributed, ablated)
};

struct AttributionOptions {
  std::int64_t samples = 256;  ///< the first ones of the data
  std::int64_t weights =
      200;  ///< at most; if there are more, equally spaced in the order of |w dL/dw|
  int threads = 1;
};

/// Throws ShapeError for a unit without weights and for data that the model's losses do not take.
/// First order is exact where the loss is linear in w; where it says 0 for all (a unit that never
/// fires over the samples) so does the ablation.
SOMA_API WeightAttribution attribute_weights(const NeuronView& neuron, const Dataset& data,
                                             const Backend& backend,
                                             const AttributionOptions& options = {});

/// Spearman's rank correlation: that of the ranks, where equals share their mean rank; in [-1, 1],
/// and 0 if one of them does not vary. Throws ShapeError for lists of different lengths.
SOMA_API double rank_correlation(std::span<const double> a, std::span<const double> b);

/// What a channel of the layer before gives a unit.
struct IncomingInfluence {
  std::string layer;  ///< the layer before, or the model's input; layers that only give their
                      ///< input another shape are passed over
  /// By channel of that layer: the mean over samples of |sum over positions of x ds/dx|, with x
  /// what the layer gives and s the unit's sum at its peak. Where s is a weighted sum of x this is
  /// how far s moves when the channel is set to zero.
  std::vector<double> magnitude;
  std::vector<double> effect;  ///< the same with its sign: above 0 excites, below 0 inhibits
};
/// From the first input of the unit's layer, over all of `data`. Empty where that is an int32
/// input.
SOMA_API IncomingInfluence incoming_influence(const NeuronView& neuron, const Dataset& data,
                                              const Backend& backend,
                                              const SurveyOptions& options = {});

/// What a unit does to a later layer.
struct OutgoingInfluence {
  std::string layer;
  /// By unit of that layer: the mean over samples and positions of |change|, and of the change, of
  /// its sum (see LayerProbe) when the unit's output is set to zero everywhere. Sign as if the unit
  /// were added: effect = with - without.
  std::vector<double> magnitude, effect;
};
/// Of the layers that outgoing() names, and of the model's outputs; in the order of the model.
SOMA_API std::vector<OutgoingInfluence> outgoing_influence(const NeuronView& neuron,
                                                           const Dataset& data,
                                                           const Backend& backend,
                                                           const SurveyOptions& options = {});

}  // namespace soma
