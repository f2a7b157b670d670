#include "plugins/layer_instance.hpp"

#include <algorithm>

#include "plugins/calls.hpp"
#include "plugins/entrance.hpp"
#include "plugins/fp_environment.hpp"

namespace soma::plugins {
namespace {

constexpr std::int32_t kMostTensors = 32;

[[noreturn]] void bad_plan(const soma_layer& table, const std::string& why) {
  throw PluginError("layer '" + std::string(table.name) + "' describes itself wrongly: " + why);
}

TensorInfo info_of(const soma_layer& table, const soma_tensor& t, const std::string& what) {
  if (t.dtype != SOMA_F32 && t.dtype != SOMA_F64 && t.dtype != SOMA_I32)
    bad_plan(table, what + " has no element type");
  if (t.rank < 0 || t.rank > SOMA_MAX_RANK ||
      std::ranges::any_of(t.dims, t.dims + t.rank, [](auto d) { return d < 0; }))
    bad_plan(table, what + " has no shape of at most 8 extents");
  return {static_cast<DType>(t.dtype), Shape(std::span(t.dims, static_cast<std::size_t>(t.rank)))};
}

}  // namespace

soma_tensor abi_tensor(const TensorInfo& info) {
  soma_tensor t{static_cast<std::int32_t>(info.dtype), info.shape.rank()};
  std::ranges::copy(info.shape.dims(), t.dims);
  return t;
}

LayerInstance::LayerInstance(const soma_layer& table, const Attributes& fields,
                             std::span<const TensorInfo> inputs)
    : table_(table) {
  const OptionValues options(options_of(table), fields);
  std::vector<soma_tensor> tensors;
  for (const TensorInfo& input : inputs) tensors.push_back(abi_tensor(input));
  auto plan = headed<soma_layer_plan>();
  Text why;
  const CanonicalFp fp;
  const soma_status status =
      table.open(options.data(), tensors.data(), static_cast<std::int32_t>(tensors.size()),
                 &instance_, &plan, why.get());
  if (status != SOMA_OK) rethrow(status, std::string(table.name) + ": " + why.str());
  try {
    const bool wide = std::ranges::count(inputs, DType::f64, &TensorInfo::dtype) > 0;
    take(plan, wide ? DType::f64 : DType::f32, inputs[0].shape[0]);
  } catch (...) {
    table.close(instance_);
    throw;
  }
}

LayerInstance::~LayerInstance() {
  if (!exiting()) table_.close(instance_);
}

void LayerInstance::take(const soma_layer_plan& plan, DType dtype, std::int64_t batch) {
  output_ = info_of(table_, plan.output, "its output");
  if (output_.dtype != dtype || output_.shape.rank() < 1 || output_.shape[0] != batch)
    bad_plan(table_, "its output is no " + std::string(name_of(dtype)) + " tensor with the batch " +
                         "in front");
  const auto listed = [](const void* list, std::int32_t count) {
    return count >= 0 && count <= kMostTensors && (count == 0 || list != nullptr);
  };
  if (!listed(plan.parameters, plan.parameter_count) || !listed(plan.saved, plan.saved_count))
    bad_plan(table_, "a list of parameters or saved tensors is missing or longer than 32");
  for (std::int32_t i = 0; i < plan.parameter_count; ++i) {
    const soma_parameter& p = plan.parameters[i];
    const std::string name = p.name == nullptr ? "" : p.name;
    if (name.empty() || name.find_first_of("./ \t\n") != std::string::npos)
      bad_plan(table_, "a parameter has no name without dots, slashes and blanks");
    const TensorInfo info = info_of(table_, p.tensor, "its parameter '" + name + "'");
    if (info.dtype != dtype) bad_plan(table_, "its parameter '" + name + "' is of another type");
    try {
      parameters_.push_back(
          {name, info.shape, init_from_name(p.init == nullptr ? "" : p.init), p.fan_in, p.fan_out});
    } catch (const ShapeError& error) {
      bad_plan(table_, "its parameter '" + name + "': " + error.what());
    }
  }
  for (std::int32_t i = 0; i < plan.saved_count; ++i) {
    saved_.push_back(info_of(table_, plan.saved[i], "a saved tensor"));
  }
  forward_bytes_ = plan.forward_workspace_bytes;
  backward_bytes_ = plan.backward_workspace_bytes;
}

void LayerInstance::forward(const soma_layer_exec& exec) const {
  Text why;
  const CanonicalFp fp;
  const soma_status status = table_.forward(instance_, &exec, why.get());
  if (status != SOMA_OK) {
    rethrow(status, "layer '" + std::string(table_.name) + "' failed forward: " + why.str());
  }
}

void LayerInstance::backward(const soma_layer_exec& exec) const {
  Text why;
  const CanonicalFp fp;
  const soma_status status = table_.backward(instance_, &exec, why.get());
  if (status != SOMA_OK) {
    rethrow(status, "layer '" + std::string(table_.name) + "' failed backward: " + why.str());
  }
}

}  // namespace soma::plugins
