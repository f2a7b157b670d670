#include "step_probe.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "soma/examination.hpp"

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
  constexpr std::size_t kLanes = 8;  // sums side by side, for the compiler to vectorise
  double sums[kLanes] = {}, squared[kLanes] = {}, none[kLanes] = {};
  const auto take = [&](std::size_t lane, float x) {
    sums[lane] += x;
    squared[lane] += double{x} * x;
    none[lane] += x == 0 ? 1.0 : 0.0;
  };
  std::size_t i = 0;
  for (; i + kLanes <= numbers.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) take(lane, numbers[i + lane]);
  }
  for (; i < numbers.size(); ++i) take(0, numbers[i]);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    sum += sums[lane];
    squares += squared[lane];
    zeros += none[lane];
  }
  count += static_cast<double>(numbers.size());
}

std::optional<LayerHealth::Spread> StepProbe::Sums::spread() const {
  if (count == 0) return std::nullopt;
  const double mean = sum / count;
  return LayerHealth::Spread{mean, std::sqrt(std::max(0.0, squares / count - mean * mean))};
}

StepProbe::StepProbe(const soma::Model& model) {
  for (soma::LayerSigns& signs : soma::signs_of(model))
    layers_.push_back({.signs = std::move(signs)});
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
  const auto found =
      std::ranges::find_if(layers_, [&](const Layer& layer) { return layer.signs.layer == name; });
  return found == layers_.end() ? nullptr : &*found;
}

StepProbe::Layer* StepProbe::owner(std::string_view tensor) {
  if (std::ranges::find(judged_, tensor) == judged_.end()) return nullptr;
  return layer(tensor.substr(0, tensor.find('.')));
}

void StepProbe::Layer::start() {
  weights = gradients = activations = {};
  dead = changed = 0;
  signs = {.layer = std::move(signs.layer),
           .activation = std::move(signs.activation),
           .is_output = signs.is_output};
}

void StepProbe::start() {
  for (Layer& layer : layers_) layer.start();
  fresh_ = true;
}

void StepProbe::before(const soma::StepKernel& kernel) {
  const auto begin = std::chrono::steady_clock::now();
  if (kernel.number == 0) start();
  weights_.clear();
  if (kernel.phase == Phase::update && !kernel.inputs.empty() && !kernel.outputs.empty() &&
      kernel.inputs[0].name == kernel.outputs[0].name && owner(kernel.inputs[0].name) != nullptr) {
    const auto numbers = kernel.inputs[0].floats();
    weights_.assign(numbers.begin(), numbers.end());
  }
  begin_ = std::chrono::steady_clock::now();
  seconds_ += std::chrono::duration<double>(begin_ - begin).count();
}

void StepProbe::after(const soma::StepKernel& kernel) {
  const auto end = std::chrono::steady_clock::now();
  const std::chrono::duration<double, std::micro> took = end - begin_;
  if (kernels_.size() <= kernel.number) kernels_.resize(kernel.number + 1);
  Kernel& k = kernels_[kernel.number];
  const std::string op = kernel.op->str();
  if (k.op != op) k = {std::string(kernel.layer), op, kernel.phase, {}};  // of another batch size
  if (k.us.size() == kKeptTimes) k.us.erase(k.us.begin());
  k.us.push_back(took.count());
  look(kernel);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - end).count();
}

void StepProbe::look(const soma::StepKernel& kernel) {
  constexpr std::string_view kGradient = "gradient of ", kOutput = ".output";
  for (const soma::StepTensor& tensor : kernel.outputs) {
    if (tensor.type != soma::DType::f32) continue;
    std::string_view name = tensor.name;
    const bool gradient = kernel.phase == Phase::backward && name.starts_with(kGradient);
    if (gradient) name.remove_prefix(kGradient.size());
    const bool output = name.ends_with(kOutput);
    if (output) name.remove_suffix(kOutput.size());
    if (gradient && output) {
      if (Layer* of = layer(name)) {
        Sums sums;
        sums.add(tensor.floats());
        of->signs.gradient = std::sqrt(sums.squares);
      }
    } else if (gradient) {
      if (Layer* of = owner(name)) of->gradients.add(tensor.floats());
    } else if (output && kernel.phase == Phase::forward) {
      if (Layer* of = layer(name)) see_output(*of, tensor);
    }
  }
  if (weights_.empty()) return;
  Layer* of = owner(kernel.outputs[0].name);
  const auto now = kernel.outputs[0].floats();
  of->weights.add(now);
  Sums change;
  for (std::size_t i = 0; i < now.size(); ++i) weights_[i] = now[i] - weights_[i];
  change.add(weights_);
  of->changed += change.squares;
}

void StepProbe::see_output(Layer& layer, const soma::StepTensor& tensor) {
  const auto units = static_cast<std::size_t>(tensor.shape.back());
  const auto numbers = tensor.floats();
  if (units == 0 || numbers.empty()) return;
  constexpr float kFar = std::numeric_limits<float>::infinity();
  const auto bounds = soma::bounds_of(layer.signs.activation);
  const double margin = bounds ? soma::kSaturationMargin * (bounds->high - bounds->low) : 0;
  const float low = bounds ? static_cast<float>(bounds->low + margin) : -kFar;
  const float high = bounds ? static_cast<float>(bounds->high - margin) : kFar;
  Units& u = layer.units;
  for (auto* of_unit : {&u.sum, &u.squares, &u.fired, &u.flat}) of_unit->assign(units, 0.0f);
  float *sum = u.sum.data(), *squares = u.squares.data();
  float *fired = u.fired.data(), *flat = u.flat.data();
  for (std::size_t i = 0; i < numbers.size(); i += units) {
    const float* row = numbers.data() + i;
    for (std::size_t n = 0; n < units; ++n) {
      const float x = row[n];
      sum[n] += x;
      squares[n] += x * x;
      fired[n] += x != 0 ? 1.0f : 0.0f;
      flat[n] += (x < low ? 1.0f : 0.0f) + (x > high ? 1.0f : 0.0f);
    }
  }
  if (u.silent.size() != units) u.silent.assign(units, 0);
  Sums all;
  all.count = static_cast<double>(numbers.size());
  const double responses = all.count / static_cast<double>(units);
  double dead = 0, saturated = 0, silent = 0;
  for (std::size_t n = 0; n < units; ++n) {
    all.sum += sum[n];
    all.squares += squares[n];
    all.zeros += responses - fired[n];
    dead += fired[n] == 0;
    saturated += flat[n] > soma::kSaturatedResponses * responses;
    u.silent[n] = fired[n] == 0 ? u.silent[n] + tensor.shape[0] : 0;
    silent += u.silent[n] >= kSilentSamples;
  }
  layer.activations = all;  // changed in place: the last one counts
  layer.dead = dead;
  layer.signs.units = static_cast<std::int64_t>(units);
  layer.signs.dead = silent / static_cast<double>(units);
  if (bounds) layer.signs.saturated = saturated / static_cast<double>(units);
  layer.signs.not_finite = std::isfinite(all.sum) ? 0 : 1;
}

void StepProbe::diagnose() {
  std::vector<soma::LayerSigns> signs;
  for (const Layer& layer : layers_) {
    // Only layers with weights or an activation are anybody's fault.
    if (layer.weights.count == 0 && layer.signs.activation.empty()) continue;
    signs.push_back(layer.signs);
  }
  alarms_ = soma::diagnose(signs);
}

std::vector<LayerHealth> StepProbe::take() {
  std::vector<LayerHealth> list;
  if (!fresh_) return list;
  fresh_ = false;
  const auto begin = std::chrono::steady_clock::now();
  for (Layer& layer : layers_) {
    if (layer.weights.squares > 0) {
      layer.signs.update = std::sqrt(layer.changed / layer.weights.squares);
    }
  }
  diagnose();
  for (const Layer& layer : layers_) {
    LayerHealth health{.layer = layer.signs.layer};
    health.weights = layer.weights.spread();
    health.gradients = layer.gradients.spread();
    health.activations = layer.activations.spread();
    if (health.activations) {
      health.zeros = layer.activations.zeros / layer.activations.count;
      health.dead = layer.dead / static_cast<double>(layer.signs.units);
    }
    health.update = layer.signs.update;
    health.output_gradient = layer.signs.gradient;
    health.saturated = layer.signs.saturated;
    for (const soma::Alarm& alarm : alarms_) {
      if (alarm.layer != health.layer) continue;
      health.alarms += (health.alarms.empty() ? "" : " ") + std::string(name_of(alarm.kind));
    }
    if (health.weights || health.activations) list.push_back(std::move(health));
  }
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  seconds_ += took;
  taken_seconds_ += took;
  return list;
}

std::vector<StepProbe::KernelTime> StepProbe::profile() const {
  std::vector<KernelTime> list;
  for (const Kernel& k : kernels_) {
    list.push_back({k.layer, k.op.substr(0, k.op.find('(')), k.phase, median(k.us)});
  }
  return list;
}
