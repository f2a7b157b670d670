#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/api.hpp"

namespace soma {

/// Where health ends. framework/docs/clinic.md says why there.
struct AlarmLimits {
  double dead = 0.4;        ///< share of a layer's units that never fire: above
  double saturated = 0.4;   ///< share of its units that are saturated: above
  double duplicates = 0.6;  ///< share of its units that say what an earlier one says: above
  double vanishing = 1e-3;  ///< gradient of a layer by that of the last one: below
  double exploding = 1e3;   ///< the same: above
  double update = 0.1;      ///< norm of one update by that of the weights: above
};

/// What a layer is judged by; nothing where it has no such thing or nobody looked.
struct LayerSigns {
  std::string layer;
  std::string activation;  ///< "" for none
  bool is_output = false;  ///< a loss is on it: what its units say is what they were told to
  std::int64_t units = 0;
  std::optional<double> dead, saturated, duplicates;  ///< shares of the units
  std::optional<double> gradient;  ///< norm of the loss's gradient with respect to its output
  std::optional<double> update;    ///< norm of what an update adds by that of the weights
  std::int64_t not_finite = 0;     ///< NaN and infinities in its output
};

class Model;
/// One for each layer in the model's order, with what the model itself says: name, activation,
/// whether a loss is on it.
SOMA_API std::vector<LayerSigns> signs_of(const Model& model);

/// Something that can be done about an illness; `soma inspect --apply NAME` does it.
struct Cure {
  std::string name;  ///< "leaky_relu", "lower-lr", ...
  std::string what;  ///< one line
};

/// An illness of a layer.
struct Alarm {
  enum class Kind { not_finite, dead, exploding, vanishing, saturated, duplicates, large_update };
  Kind kind = Kind::not_finite;
  std::string layer;
  double measured = 0, threshold = 0;
  std::string finding;  ///< one sentence with both numbers
  std::string cause;
  std::vector<Cure> cures;  ///< the likeliest first
};
/// "not-finite", "dead-units", "exploding-gradient", "vanishing-gradient", "saturated-units",
/// "duplicate-units", "large-updates"
SOMA_API std::string_view name_of(Alarm::Kind kind);

/// The illnesses that the signs speak of, the gravest kinds first (not_finite, dead, exploding,
/// vanishing, saturated, duplicates, large_update), each from input to output.
///
///   dead, saturated, duplicates   of layers that are no outputs, with four units or more; dead
///                                 ones of outputs behind a relu, too
///   vanishing, exploding          one alarm each, of the layer where it is worst. Gradients are
///                                 compared with that of the last layer that has one; where all
///                                 are zero there is nothing to compare
///   large_update, not_finite      of any layer; not_finite of the first alone, as the rest
///                                 follows from it
SOMA_API std::vector<Alarm> diagnose(std::span<const LayerSigns> layers,
                                     const AlarmLimits& limits = {});

/// The two numbers that an activation's values approach and where its slope ends: (0,1) of sigmoid
/// and hard_sigmoid, (-1,1) of tanh and softsign; nothing for others. A response counts as
/// saturated within kSaturationMargin of the way between them from either end: there the slope of
/// sigmoid and tanh is below a twentieth of its largest.
struct Bounds {
  double low = 0, high = 0;
};
inline constexpr double kSaturationMargin = 0.0125;
SOMA_API std::optional<Bounds> bounds_of(std::string_view activation);

}  // namespace soma
