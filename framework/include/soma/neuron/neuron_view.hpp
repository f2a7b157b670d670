#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soma/model.hpp"
#include "soma/tensor.hpp"

namespace soma {

/// One unit of a layer in a model: what it weighs, sees and does. Stays valid until the model goes,
/// moves or loses its parameters.
class SOMA_API NeuronView {
 public:
  /// The incoming weights, in place: Dense [K]; Conv2d [kernel, kernel, C / groups]. Throws
  /// StateError while the model has no parameters.
  std::span<const float> weights() const;
  /// 0 for a layer without biases.
  float bias() const;
  const std::string& layer() const noexcept { return layer_; }
  std::int64_t index() const noexcept { return index_; }

  struct Response {
    Shape shape;  ///< [N] for a dense unit; [N,T] or [N,H,W] for one that answers at each position
    std::vector<float> pre_activations;  ///< weighted sum plus bias
    std::vector<float> activations;      ///< what the layer passes on
  };
  /// What the unit says when the model predicts on a batch: one view for each input of the model,
  /// [N, sample...], computed by the backend "reference". Throws ShapeError if the sizes do not
  /// fit.
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
  /// The neurons: units of a dense layer, filters of a convolution. Throws ShapeError for a layer
  /// that is not one weighted sum for each of its outputs.
  std::int64_t neurons() const;
  /// Throws ShapeError unless 0 <= index < neurons().
  NeuronView neuron(std::int64_t index) const;

 private:
  friend class Model;
  LayerRef(const Model& model, std::string name) : model_(&model), name_(std::move(name)) {}
  const Model* model_;
  std::string name_;
};

}  // namespace soma
