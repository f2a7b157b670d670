#pragma once

#include <memory>
#include <string>
#include <vector>

#include "soma/conformance/certify.hpp"
#include "soma/layer.hpp"
#include "soma/model.hpp"
#include "soma/sdk/op.hpp"

namespace soma::conformance {

/// Inputs that a layer might take.
struct LayerInputs {
  std::string name;            ///< "6x5x4"
  std::vector<Shape> samples;  ///< without the batch, one per input
  DType dtype = DType::f32;

  std::vector<TensorInfo> batch(std::int64_t size) const;
};

/// A layer type of a plugin with the fields and the inputs that it is examined with.
class LayerSubject {
 public:
  LayerSubject(const std::string& name, const CertifyOptions& options);

  const std::string& name() const noexcept { return name_; }
  const soma_layer& table() const noexcept { return *table_; }
  std::vector<soma_attribute> options() const;
  /// What the user said, or vectors, sequences, images and token ids.
  const std::vector<LayerInputs>& candidates() const noexcept { return candidates_; }
  /// A sentence for a layer that takes none of them.
  std::string no_input() const;
  std::unique_ptr<Layer> make() const;
  /// The layer between an activation and a dense layer.
  Model net(const LayerInputs& inputs) const;

 private:
  std::string name_;
  const soma_layer* table_;
  Attributes fields_;
  std::vector<LayerInputs> candidates_;
};

/// True if a plugin's layer is made of others. Throws PluginError if it is not ready.
bool is_composed(const std::string& name);

}  // namespace soma::conformance
