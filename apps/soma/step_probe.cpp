#include "step_probe.hpp"

#include <algorithm>
#include <cmath>
#include <map>

using Phase = soma::KernelTime::Phase;

namespace {

constexpr std::size_t kKeptTimes = 25;  // steps of which the times are kept

std::string layer_of(std::string_view tensor) {
  return std::string(tensor.substr(0, tensor.find('.')));
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

}  // namespace

void StepProbe::Sums::add(std::span<const float> numbers) {
  for (const float x : numbers) {
    sum += x;
    squares += double{x} * x;
    zeros += x == 0;
  }
  count += static_cast<double>(numbers.size());
}

std::optional<LayerHealth::Spread> StepProbe::Sums::spread() const {
  if (count == 0) return std::nullopt;
  const double mean = sum / count;
  return LayerHealth::Spread{mean, std::sqrt(std::max(0.0, squares / count - mean * mean))};
}

StepProbe::StepProbe(const soma::Model& model) {
  for (const auto& view : model.layers()) layers_.push_back({.name = view.name});
  std::map<std::string, int> rank;
  for (const soma::Parameter& p : model.parameters()) {
    int& largest = rank[layer_of(p.name)];
    largest = std::max(largest, std::min(2, p.value.shape().rank()));
  }
  for (const soma::Parameter& p : model.parameters()) {
    const bool judged =
        p.trainable && std::min(2, p.value.shape().rank()) == rank[layer_of(p.name)];
    if (judged) judged_.push_back(p.name);
  }
}

StepProbe::Layer* StepProbe::layer(std::string_view name) {
  const auto found = std::ranges::find(layers_, name, &Layer::name);
  return found == layers_.end() ? nullptr : &*found;
}

StepProbe::Layer* StepProbe::owner(std::string_view tensor) {
  if (std::ranges::find(judged_, tensor) == judged_.end()) return nullptr;
  return layer(tensor.substr(0, tensor.find('.')));
}

void StepProbe::start() {
  for (Layer& layer : layers_) layer = {.name = std::move(layer.name)};
  fresh_ = true;
}

void StepProbe::before(const soma::StepKernel& kernel) {
  if (kernel.number == 0) start();
  weights_.clear();
  if (kernel.phase == Phase::update && !kernel.inputs.empty() && !kernel.outputs.empty() &&
      kernel.inputs[0].name == kernel.outputs[0].name && owner(kernel.inputs[0].name) != nullptr) {
    const auto numbers = kernel.inputs[0].floats();
    weights_.assign(numbers.begin(), numbers.end());
  }
  begin_ = std::chrono::steady_clock::now();
}

void StepProbe::after(const soma::StepKernel& kernel) {
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin_;
  if (kernels_.size() <= kernel.number) kernels_.resize(kernel.number + 1);
  Kernel& k = kernels_[kernel.number];
  const std::string op = kernel.op->str();
  if (k.op != op) k = {std::string(kernel.layer), op, kernel.phase, {}};  // of another batch size
  if (k.us.size() == kKeptTimes) k.us.erase(k.us.begin());
  k.us.push_back(took.count());

  constexpr std::string_view kGradient = "gradient of ";
  for (const soma::StepTensor& tensor : kernel.outputs) {
    if (tensor.type != soma::DType::f32) continue;
    if (kernel.phase == Phase::forward) {
      see_output(tensor);
    } else if (kernel.phase == Phase::backward && tensor.name.starts_with(kGradient)) {
      if (Layer* of = owner(tensor.name.substr(kGradient.size())))
        of->gradients.add(tensor.floats());
    }
  }
  if (weights_.empty()) return;
  Layer* of = owner(kernel.outputs[0].name);
  const auto now = kernel.outputs[0].floats();
  of->weights.add(now);
  for (std::size_t i = 0; i < now.size(); ++i) {
    const double change = double{now[i]} - weights_[i];
    of->changed += change * change;
  }
}

void StepProbe::see_output(const soma::StepTensor& tensor) {
  constexpr std::string_view kOutput = ".output";
  if (!tensor.name.ends_with(kOutput)) return;
  Layer* of = layer(tensor.name.substr(0, tensor.name.size() - kOutput.size()));
  if (of == nullptr) return;
  of->activations = {};  // changed in place: the last one counts
  of->activations.add(tensor.floats());
  const auto units = static_cast<std::size_t>(tensor.shape.back());
  std::vector<bool> active(units);
  const auto numbers = tensor.floats();
  for (std::size_t i = 0; i < numbers.size(); i += units) {
    for (std::size_t u = 0; u < units; ++u) {
      if (numbers[i + u] != 0) active[u] = true;
    }
  }
  of->units = static_cast<double>(units);
  of->dead = static_cast<double>(std::ranges::count(active, false));
}

std::vector<LayerHealth> StepProbe::take() {
  std::vector<LayerHealth> list;
  if (!fresh_) return list;
  fresh_ = false;
  for (const Layer& layer : layers_) {
    LayerHealth health{.layer = layer.name};
    health.weights = layer.weights.spread();
    health.gradients = layer.gradients.spread();
    health.activations = layer.activations.spread();
    if (health.activations) {
      health.zeros = layer.activations.zeros / layer.activations.count;
      health.dead = layer.dead / layer.units;
    }
    if (layer.weights.squares > 0) {
      health.update = std::sqrt(layer.changed / layer.weights.squares);
    }
    if (health.weights || health.activations) list.push_back(std::move(health));
  }
  return list;
}

std::vector<StepProbe::KernelTime> StepProbe::profile() const {
  std::vector<KernelTime> list;
  for (const Kernel& k : kernels_) {
    list.push_back({k.layer, k.op.substr(0, k.op.find('(')), k.phase, median(k.us)});
  }
  return list;
}
