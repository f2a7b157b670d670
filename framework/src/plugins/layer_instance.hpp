#pragma once

#include <span>
#include <string>
#include <vector>

#include "plugins/options.hpp"
#include "soma/layer.hpp"
#include "soma/sdk/op.hpp"

namespace soma::plugins {

/// A plugin's layer, opened with its fields for inputs of given types and shapes. Immutable.
class LayerInstance {
 public:
  /// One tensor that training changes.
  struct Parameter {
    std::string name;
    Shape shape;
    Init init;
    std::int64_t fan_in, fan_out;
  };

  /// `fields`: checked. Throws ShapeError, UnsupportedError or PluginError "<layer>: why", also for
  /// a plan that makes no sense.
  LayerInstance(const soma_layer& table, const Attributes& fields,
                std::span<const TensorInfo> inputs);
  ~LayerInstance();
  LayerInstance(const LayerInstance&) = delete;
  LayerInstance& operator=(const LayerInstance&) = delete;

  const TensorInfo& output() const noexcept { return output_; }
  const std::vector<Parameter>& parameters() const noexcept { return parameters_; }
  const std::vector<TensorInfo>& saved() const noexcept { return saved_; }
  std::size_t forward_workspace_bytes() const noexcept { return forward_bytes_; }
  std::size_t backward_workspace_bytes() const noexcept { return backward_bytes_; }

  void forward(const soma_layer_exec& exec) const;
  void backward(const soma_layer_exec& exec) const;

 private:
  void take(const soma_layer_plan& plan, DType dtype, std::int64_t batch);

  const soma_layer& table_;
  soma_layer_instance* instance_ = nullptr;
  TensorInfo output_;
  std::vector<Parameter> parameters_;
  std::vector<TensorInfo> saved_;
  std::size_t forward_bytes_ = 0, backward_bytes_ = 0;
};

soma_tensor abi_tensor(const TensorInfo& info);

}  // namespace soma::plugins
