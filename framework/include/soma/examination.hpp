#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/backend.hpp"
#include "soma/dataset.hpp"
#include "soma/diagnosis.hpp"
#include "soma/model.hpp"
#include "soma/trainer.hpp"

namespace soma {

/// One unit: an index of the last axis of a layer's output. A response is what it gives for one
/// sample at one position (of an image, of a sequence).
struct UnitExamination {
  double mean = 0, deviation = 0, minimum = 0, maximum = 0;  ///< of its responses
  /// Share of the responses, and of the samples with at least one such response, that are not zero;
  /// behind an activation that only comes near zero, above 1e-6 in magnitude.
  double firing = 0, firing_samples = 0;
  double saturated = 0;          ///< share of the responses, see bounds_of()
  bool is_dead = false;          ///< never fires
  bool is_rare = false;          ///< fires, but for fewer than kRareSamples of the samples
  bool is_saturated = false;     ///< in more than kSaturatedResponses of its responses
  std::int64_t twin = -1;        ///< the first unit before it of which it is a duplicate; -1: none
  bool twin_by_weights = false;  ///< incoming weights alike up to a factor > 0; else responses
                                 ///< alike up to factor and offset
  std::int64_t preferred = -1;   ///< the class with the largest mean response; -1: no classes
  /// (best - rest) / (|best| + |rest|) of the mean responses to the preferred class and to all
  /// other samples: 0 tells nothing apart, 1 responds to one class alone. Morcos et al.,
  /// arXiv:1803.06959, for responses of either sign.
  double selectivity = 0;
};
inline constexpr double kRareSamples = 0.01, kSaturatedResponses = 0.9;
/// Cosine of the weights, and correlation of responses in magnitude, from which on units are twins.
inline constexpr double kTwinWeights = 0.9999, kTwinResponses = 0.999;
/// Fewer responses than that agree by chance: they make no twins.
inline constexpr std::int64_t kFewResponses = 32;

/// A layer's weights: its parameters of two axes or more, or if it has none, all it has.
struct WeightExamination {
  static constexpr std::size_t kBins = 40;
  std::int64_t count = 0;
  double mean = 0, deviation = 0, norm = 0, minimum = 0, maximum = 0;
  double zeros = 0;                                ///< share
  std::array<std::int64_t, kBins> histogram = {};  ///< of equal bins from minimum to maximum
};

/// What a layer's gradients are like, over several batches at the same weights.
struct GradientExamination {
  /// Norm with respect to its output, mean over the batches. Nothing where the tensor is one with
  /// that of a layer before it: behind a skip connection, a layer that passes its input on.
  std::optional<double> output;
  double weights = 0;    ///< norm with respect to its weights, alike; 0 without weights
  double deviation = 0;  ///< standard deviation of an element of the gradient of the weights
  /// `output` by that of the next judged layer that has one: what the way back from there
  /// multiplies it by. Nothing for the last, and for layers that are not judged.
  std::optional<double> to_next;
  /// Mean cosine between the weights' gradients of two batches: 1 if all pull in one direction, 0
  /// if they have nothing in common. Nothing without weights, with one batch or zero gradients.
  std::optional<double> cosine;
};

struct LayerExamination {
  /// Its name; of an activation inside a layer (of a transformer's block, say) with ".gelu" behind.
  std::string name;
  std::string type, activation;
  bool is_output = false;
  /// Whether it has weights or an activation. Others (pooling, dropout, ...) pass units on: these
  /// are not examined one by one, and no alarm is about them.
  bool is_judged = false;
  Shape shape;                     ///< of one sample's output
  double mean = 0, deviation = 0;  ///< of all responses
  double zeros = 0;                ///< share of responses that do not fire: its sparsity
  std::int64_t not_finite = 0;
  std::vector<UnitExamination> units;                              ///< of judged layers
  std::int64_t dead = 0, rare = 0, saturated = 0, duplicates = 0;  ///< of the units
  std::optional<WeightExamination> weights;
  std::optional<GradientExamination> gradient;
  std::optional<double> update;  ///< norm of what the next update adds to the weights by theirs

  LayerSigns signs() const;
};

struct Examination {
  std::int64_t samples = 0;
  std::vector<LayerExamination> layers;  ///< in the order in which they compute
  std::vector<Alarm> alarms;
  std::int64_t gradient_batches = 0;  ///< that were taken; 0 without a loss that fits the data
  double gradient_loss = 0;           ///< their mean loss
};

struct ExaminationOptions {
  std::int64_t batch = 256;                                ///< samples at a time for the responses
  std::int64_t gradient_batch = 32, gradient_batches = 4;  ///< the first samples of the data
  /// How the model is trained: optimizer, rate, regularization, what is frozen; threads.
  TrainerOptions training = {};
  /// A checkpoint of that training, for the state of its optimizer; none: as at the first step.
  std::filesystem::path checkpoint = {};
  AlarmLimits limits = {};
  std::function<void(std::int64_t samples)> on_samples = {};  ///< after every batch
};

/// Examines a trained model on all samples of `data`: the responses of every unit as the model
/// predicts, gradients and the next update as it would be trained, its weights. The model is left
/// as it is. The update is that of options.training at its full rate, whatever a schedule has made
/// of it by the end. Throws ShapeError if the data do not fit the model, StateError if it has no
/// weights, UnsupportedError. Deterministic where the backend is exact.
SOMA_API Examination examine(const Model& model, const Backend& backend, const Dataset& data,
                             const ExaminationOptions& options = {});

/// The weights alone, layer by layer as the model has them; layers without are left out.
struct NamedWeights {
  std::string layer;
  WeightExamination weights;
};
SOMA_API std::vector<NamedWeights> examine_weights(const Model& model);
/// How far those of one layer moved between two models of one architecture: the norm of the
/// difference by that of `before`; nothing if that is 0 or the layer has none.
SOMA_API std::optional<double> weight_change(const Model& before, const Model& after,
                                             std::string_view layer);

}  // namespace soma
