#pragma once

#include <memory>
#include <string>
#include <vector>

#include "certify/routine.hpp"
#include "soma/layer.hpp"

namespace soma::conformance {

/// A plugin's layer, opened below the framework.
class OpenLayer {
 public:
  /// Throws UnsupportedError with the plugin's sentence if it declines these inputs, PluginError if
  /// it fails or describes itself wrongly.
  OpenLayer(const soma_layer& table, const std::vector<soma_attribute>& options,
            const std::vector<TensorInfo>& inputs);
  ~OpenLayer();
  OpenLayer(const OpenLayer&) = delete;
  OpenLayer& operator=(const OpenLayer&) = delete;

  struct Parameter {
    std::string name;
    TensorInfo info;
    Init init;
  };
  const std::vector<TensorInfo>& inputs() const noexcept { return inputs_; }
  const TensorInfo& output() const noexcept { return output_; }
  const std::vector<Parameter>& parameters() const noexcept { return parameters_; }
  const std::vector<TensorInfo>& saved() const noexcept { return saved_; }
  std::size_t workspace_bytes() const noexcept { return workspace_bytes_; }

  /// Buffers of one run; `saved` empty: inference. A gradient that is null is not wanted.
  void forward(const std::vector<const void*>& inputs, void* output,
               const std::vector<void*>& saved, void* workspace, const Loop& loop) const;
  void backward(const std::vector<const void*>& inputs, const std::vector<void*>& saved,
                const void* grad_output, const std::vector<void*>& gradients, void* workspace,
                const Loop& loop) const;
  /// Leaves it open for good.
  void abandon() noexcept { instance_ = nullptr; }

 private:
  const soma_layer& table_;
  soma_layer_instance* instance_ = nullptr;
  std::vector<TensorInfo> inputs_, saved_;
  TensorInfo output_;
  std::vector<Parameter> parameters_;
  std::size_t workspace_bytes_ = 0;
};

/// A layer in both types; in float64 only if it takes that.
struct LayerPair {
  LayerPair(const soma_layer& table, const std::vector<soma_attribute>& options,
            const std::vector<TensorInfo>& inputs);
  const OpenLayer& of(DType type) const { return type == DType::f64 ? *wide : narrow; }

  OpenLayer narrow;
  std::unique_ptr<OpenLayer> wide;
};

/// forward: inputs, parameters -> output, saved. backward: inputs, parameters, gradient of the
/// output -> gradients of the inputs that are numbers, of the parameters; it runs forward first.
std::shared_ptr<const Routine> layer_forward(std::shared_ptr<const LayerPair> layer);
std::shared_ptr<const Routine> layer_backward(std::shared_ptr<const LayerPair> layer);

}  // namespace soma::conformance
