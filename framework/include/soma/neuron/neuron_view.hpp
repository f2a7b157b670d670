#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soma/model.hpp"
#include "soma/tensor.hpp"

namespace soma {

/// The part of one sample of a model's input that can reach a unit.
struct SOMA_API ReceptiveField {
  std::string input;
  Shape shape;                           ///< of one sample of that input
  std::vector<std::uint8_t> reaches;     ///< by element: 1 where a change can reach the unit
  std::vector<std::int64_t> begin, end;  ///< the smallest box around them, by axis of `shape`
  std::int64_t count() const noexcept;   ///< elements that reach it; 0: the box is empty
};

/// Weights between a neuron and its neighbours, as an array that can be drawn.
struct NeuronWeights {
  std::string parameter;  ///< whose elements they are: "conv1.weight", "rnn.l0.u"
  std::string layer;      ///< incoming: whose outputs they weigh ("input" or a layer), or the
                          ///< layer itself for its own state; outgoing: whose sums they enter
  Shape shape;            ///< see incoming() and outgoing()
  std::vector<float> values;
  std::vector<std::int64_t> elements;  ///< where each of them lies in the parameter
};

/// One unit of a layer in a model: what it weighs, sees and does. Stays valid until the model goes,
/// moves or loses its parameters.
///
/// A unit is one channel of what the layer gives, a number on its last axis: a unit of Dense, a
/// filter of Conv2d, a hidden unit of Lstm, an element of Flatten. Where the layer gives [H,W,C] or
/// [T,C] the unit answers at each position [H,W] or [T].
class SOMA_API NeuronView {
 public:
  /// The incoming weights, in place: Dense [K]; Conv2d [kernel, kernel, C / groups]. Throws
  /// StateError while the model has no parameters and ShapeError for a unit that is not one
  /// weighted sum.
  std::span<const float> weights() const;
  /// 0 for a layer without biases. Throws as weights().
  float bias() const;
  const std::string& layer() const noexcept { return layer_; }
  std::int64_t index() const noexcept { return index_; }
  /// "conv2:7"
  std::string name() const { return layer_ + ":" + std::to_string(index_); }
  const Model& model() const noexcept { return *model_; }
  /// What the layer gives for one sample but for its last axis: the extents of the positions.
  Shape positions() const;
  /// The number of a position, row-major; of the one in the middle for no position. Throws
  /// ShapeError unless it has one coordinate within each extent.
  std::int64_t position(std::span<const std::int64_t> coordinates = {}) const;

  /// The weights of each weighted sum of the unit, as arrays: Conv2d [R,S,C / groups], Dense the
  /// shape of what it sees before that was flattened ([7,7,64]), recurrent layers one row for each
  /// gate of their first weights and of those on the state ("l0.w", "l0.u"). Empty for a unit that
  /// has no weights, or none of its own. Throws StateError while the model has no parameters.
  std::vector<NeuronWeights> incoming() const;
  /// The weights with which further layers take the unit, where that is well defined: through
  /// layers that keep channels apart (activations, pooling, batch norm, dropout, flattening) to
  /// Dense [units, positions...] and to Conv2d [filters of its group, R, S]. Throws as incoming().
  std::vector<NeuronWeights> outgoing() const;

  /// What can reach the unit at a position (see position()), whatever the weights: computed through
  /// windows with their strides, padding and dilation, groups, recurrences and attention; see
  /// neuron/reach.hpp in the sources. One for each of the model's inputs.
  std::vector<ReceptiveField> receptive_fields(std::int64_t position) const;
  /// Of the first input.
  ReceptiveField receptive_field(std::int64_t position) const;

  struct Response {
    Shape shape;  ///< [N] for a dense unit; [N,T] or [N,H,W] for one that answers at each position
    std::vector<float> pre_activations;  ///< weighted sum plus bias
    std::vector<float> activations;      ///< what the layer passes on
  };
  /// What the unit says when the model predicts on a batch: one view for each input of the model,
  /// [N, sample...], computed by the backend "reference". Throws ShapeError if the sizes do not
  /// fit. LayerProbe does the same for whole layers, on any backend.
  Response respond(std::span<const TensorView> inputs) const;
  Response respond(const TensorView& inputs) const { return respond({&inputs, 1}); }

 private:
  friend class LayerRef;
  NeuronView(const Model& model, std::string layer, std::int64_t index)
      : model_(&model), layer_(std::move(layer)), index_(index) {}
  const Model* model_;
  std::string layer_;
  std::int64_t index_;
};

/// A layer of a model, by name. Stays valid as a NeuronView does.
class SOMA_API LayerRef {
 public:
  const std::string& name() const noexcept { return name_; }
  /// The neurons: units of a dense layer, filters of a convolution, channels of any other.
  std::int64_t neurons() const;
  /// Whether each neuron is one weighted sum of the layer's own: Dense, Conv1d, Conv2d.
  bool weighs() const;
  /// Throws ShapeError unless 0 <= index < neurons().
  NeuronView neuron(std::int64_t index) const;

 private:
  friend class Model;
  LayerRef(const Model& model, std::string name) : model_(&model), name_(std::move(name)) {}
  const Model* model_;
  std::string name_;
};

}  // namespace soma
