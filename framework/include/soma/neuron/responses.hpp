#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "soma/backend.hpp"
#include "soma/dataset.hpp"
#include "soma/neuron/neuron_view.hpp"

namespace soma {

/// How much of a data set is looked at at a time.
struct SurveyOptions {
  std::int64_t batch = 256;
  int threads = 1;  ///< 0: all the CPUs this process may use
};

/// What one unit does over a data set. Its peak in a sample is its largest activation over the
/// positions; of several equal ones the first.
struct SOMA_API NeuronResponses {
  std::vector<float> peaks;             ///< by sample
  std::vector<float> sums;              ///< the weighted sum at the peak; see LayerProbe
  std::vector<std::int64_t> positions;  ///< of the peak, row-major
  std::vector<float> means;             ///< of the activations over the positions
  double firing = 0;  ///< share of the samples and positions where the activation is above 0

  /// The samples with the largest peaks, largest first; of equal ones the first. At most `count`.
  std::vector<std::int64_t> top(std::int64_t count) const;
};
SOMA_API NeuronResponses responses(const NeuronView& neuron, const Dataset& data,
                                   const Backend& backend, const SurveyOptions& options = {});

/// How sharply the values of a unit tell one class from the others; labels below `classes`,
/// samples with a negative label are left out.
struct ClassSelectivity {
  std::vector<double> means;    ///< by class; NaN for a class without samples
  std::int64_t preferred = -1;  ///< the class with the largest mean
  /// (largest mean - mean of the other means) / (largest mean + mean of the other means), of the
  /// values above the smallest one if that is negative: 0 for none, 1 for one class alone.
  /// Source: Morcos et al., arXiv:1803.06959.
  double index = 0;
  /// The probability that a sample of the preferred class has a larger value than one of another,
  /// a tie counting one half: the area under the ROC curve, Mann & Whitney (1947).
  double auc = 0.5;
};
SOMA_API ClassSelectivity class_selectivity(std::span<const float> values,
                                            std::span<const std::int32_t> labels,
                                            std::int64_t classes);

/// How many classes share a unit. Of the `most` samples with the largest positive values, p[c] is
/// the share of their sum that comes from class c; the effective number of classes is exp(H),
/// H = -sum p log p (Hill, "Diversity and evenness", Ecology 54, 1973).
struct Polysemanticity {
  double effective_classes = 0;  ///< 0 if no value is positive
  double score = 0;              ///< (effective - 1) / (classes - 1): 0 for one class, 1 for all
  std::vector<double> shares;    ///< p
};
SOMA_API Polysemanticity polysemanticity(std::span<const float> values,
                                         std::span<const std::int32_t> labels, std::int64_t classes,
                                         std::int64_t most = 100);

/// What reaches a unit at a position in fact, as opposed to NeuronView::receptive_field: over
/// samples, by element of the model's first input. For a float32 input the mean of |d sum / d x|;
/// for an int32 one the mean |change| of the sum where the element alone becomes what another
/// sample has in its place.
struct MeasuredField {
  ReceptiveField field;            ///< where the sensitivity is above 0
  std::vector<float> sensitivity;  ///< by element
};
SOMA_API MeasuredField measured_field(const NeuronView& neuron, std::int64_t position,
                                      const Dataset& samples, const Backend& backend,
                                      const SurveyOptions& options = {});

}  // namespace soma
