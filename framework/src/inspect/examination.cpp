#include "soma/examination.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "inspect/activity.hpp"
#include "inspect/pull.hpp"
#include "inspect/subject.hpp"
#include "model/state.hpp"
#include "program/observation.hpp"
#include "program/program.hpp"
#include "soma/error.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/epilogue.hpp"
#include "train/threads.hpp"

namespace soma {
namespace {

/// The activation that a kernel computes, alone or on its way out; "" for none.
std::string activation_in(const Op& op) {
  const std::string_view family = op.family();
  if (ops::is_activation_family(family)) return std::string(family.substr(0, family.size() - 2));
  if (op.id != "linear/1.fwd" && op.id != "conv2d/1.fwd") return "";
  return ops::Epilogue::from(op.attributes).activation;
}

/// Collects the responses of every layer while the model predicts.
class Responses final : public StepObserver {
 public:
  Responses(const Model& model, const Dataset& data)
      : subjects_(subjects_of(model)), samples_(data.size()), classes_(data.classes()) {}

  /// Of the batch that runs next: how many samples of it count, and their classes.
  void expect(std::int64_t batch, std::int64_t count, std::span<const std::int32_t> labels) {
    batch_ = batch;
    count_ = count;
    labels_ = labels;
  }

  void after(const StepKernel& kernel) override {
    for (const StepTensor& t : kernel.outputs) {
      if (t.type == DType::f32 && t.shape.rank() >= 2 && t.shape[0] % batch_ == 0) see(kernel, t);
    }
  }

  std::vector<LayerExamination> finish(const Model& model) const {
    std::vector<LayerExamination> list;
    for (const auto& [name, seen] : seen_) {
      LayerExamination layer = seen.layer;
      std::span<const float> weights;
      const auto subject = std::ranges::find(subjects_, layer.name, &LayerSubject::name);
      if (subject != subjects_.end() && subject->weights.size() == 1) {
        const Tensor& value = model.parameters()[subject->weights[0]].value;
        const bool by_unit = layer.type == "dense" || layer.type.starts_with("conv");
        if (by_unit && value.shape()[0] == layer.shape.back()) weights = value.as<float>();
      }
      seen.activity.finish(layer, weights);
      list.push_back(std::move(layer));
    }
    // By name in the map; in the order in which they ran in the list.
    std::vector<std::size_t> order;
    for (const auto& [name, seen] : seen_) order.push_back(seen.order);
    std::vector<LayerExamination> sorted(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) sorted[order[i]] = std::move(list[i]);
    return sorted;
  }

 private:
  struct Seen {
    std::size_t order;
    LayerExamination layer;
    Activity activity;
  };

  void see(const StepKernel& kernel, const StepTensor& tensor) {
    const auto found = seen_.find(tensor.value);
    if (found != seen_.end()) return add(found->second, tensor);
    const auto subject = std::ranges::find(subjects_, kernel.layer, &LayerSubject::name);
    if (subject == subjects_.end()) return;
    LayerExamination layer;
    layer.type = subject->type;
    if (tensor.name == subject->name + ".output") {
      layer.name = subject->name;
      layer.activation = subject->activation;
      layer.is_output = subject->is_output;
      layer.is_judged = subject->is_judged;
    } else {
      // Inside a layer only activations are somebody's responses.
      layer.activation = activation_in(*kernel.op);
      if (layer.activation.empty() || kernel.outputs.size() != 1) return;
      layer.name = subject->name + "." + layer.activation;
      layer.is_judged = true;
    }
    std::vector<std::int64_t> extents(tensor.shape.dims().begin() + 1, tensor.shape.dims().end());
    if (tensor.shape[0] != batch_) extents.insert(extents.begin(), tensor.shape[0] / batch_);
    layer.shape = Shape(extents);
    const Activity::Kind kind{.units = tensor.shape.back(),
                              .judged = layer.is_judged,
                              .activation = layer.activation,
                              .samples = samples_,
                              .classes = classes_};
    if (kind.units == 0) return;
    const std::size_t order = seen_.size();
    add(seen_.emplace(tensor.value, Seen{order, std::move(layer), Activity(kind)}).first->second,
        tensor);
  }

  void add(Seen& seen, const StepTensor& tensor) {
    const auto numbers = tensor.floats();
    const std::size_t counted =
        numbers.size() / static_cast<std::size_t>(batch_) * static_cast<std::size_t>(count_);
    seen.activity.add(numbers.first(counted), count_, labels_);
  }

  std::vector<LayerSubject> subjects_;
  std::int64_t samples_, classes_, batch_ = 1, count_ = 1;
  std::span<const std::int32_t> labels_;
  std::map<int, Seen> seen_;  // by the number of the tensor in the graph
};

/// One class for each sample.
bool has_labels(const Dataset& data) {
  return data.is_classification() && data.targets().size() == 1 &&
         data.targets()[0].type == DType::i32 && data.target_shape().elements() == 1;
}

/// Runs the model on all samples, shown to `responses`.
void predict_all(const Model& original, const Backend& backend, const Dataset& data,
                 const ExaminationOptions& options, Responses& responses) {
  Model model = copy_of(original);
  const std::int64_t batch = std::max<std::int64_t>(1, std::min(options.batch, data.size()));
  const int threads = usable_threads(options.training.threads);
  Program program(build_graph(model.state(), batch, Purpose::infer), backend,
                  {&model.parameters(), nullptr});
  Observation observation(program, value_names(program.graph(), model, {}));
  observation.show(responses, 0);
  program.refresh_packs(threads);
  Program::Instance instance = program.make_instance();
  const bool labelled = has_labels(data);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(batch));
  std::vector<std::int32_t> labels;
  for (std::int64_t first = 0; first < data.size(); first += batch) {
    const std::int64_t count = std::min(batch, data.size() - first);
    for (std::int64_t i = 0; i < batch; ++i) {
      rows[static_cast<std::size_t>(i)] = std::min(first + i, data.size() - 1);
    }
    for (std::size_t i = 0; i < data.inputs().size(); ++i) {
      data.gather_input(i, rows, instance.input(i));
    }
    if (labelled) {
      labels.resize(rows.size());
      data.gather_labels(rows, labels.data());
    }
    responses.expect(batch, count, labels);
    program.run(instance, threads, nullptr, &observation);
    if (options.on_samples) options.on_samples(first + count);
  }
}

WeightExamination weights_of(const Model& model, const std::vector<std::size_t>& which) {
  WeightExamination w;
  double sum = 0, squares = 0, zeros = 0;
  w.minimum = std::numeric_limits<double>::infinity();
  w.maximum = -w.minimum;
  for (const std::size_t p : which) {
    for (const float x : model.parameters()[p].value.as<float>()) {
      sum += x;
      squares += double{x} * x;
      zeros += x == 0;
      w.minimum = std::min(w.minimum, double{x});
      w.maximum = std::max(w.maximum, double{x});
    }
    w.count += model.parameters()[p].value.shape().elements();
  }
  const auto n = static_cast<double>(std::max<std::int64_t>(1, w.count));
  w.mean = sum / n;
  w.deviation = std::sqrt(std::max(0.0, squares / n - w.mean * w.mean));
  w.norm = std::sqrt(squares);
  w.zeros = zeros / n;
  const double width = (w.maximum - w.minimum) / WeightExamination::kBins;
  if (!(width > 0) || !std::isfinite(width)) {
    w.histogram[0] = w.count;
    return w;
  }
  for (const std::size_t p : which) {
    for (const float x : model.parameters()[p].value.as<float>()) {
      const auto bin = static_cast<std::size_t>((x - w.minimum) / width);
      ++w.histogram[std::min(bin, WeightExamination::kBins - 1)];
    }
  }
  return w;
}

}  // namespace

LayerSigns LayerExamination::signs() const {
  LayerSigns s{.layer = name, .activation = activation, .is_output = is_output};
  s.units = static_cast<std::int64_t>(units.size());
  if (s.units > 0) {
    const auto n = static_cast<double>(s.units);
    s.dead = static_cast<double>(dead) / n;
    if (bounds_of(activation)) s.saturated = static_cast<double>(saturated) / n;
    s.duplicates = static_cast<double>(duplicates) / n;
  }
  if (gradient && gradient->output) s.gradient = gradient->output;
  s.update = update;
  s.not_finite = not_finite;
  return s;
}

std::vector<NamedWeights> examine_weights(const Model& model) {
  std::vector<NamedWeights> list;
  for (const LayerSubject& s : subjects_of(model)) {
    if (!s.weights.empty()) list.push_back({s.name, weights_of(model, s.weights)});
  }
  return list;
}

Examination examine(const Model& model, const Backend& backend, const Dataset& data,
                    const ExaminationOptions& options) {
  require_fit(model, data);
  if (data.size() == 0) throw ShapeError("examination: expected one sample or more, got none");
  Examination result;
  result.samples = data.size();
  Responses responses(model, data);
  predict_all(model, backend, data, options, responses);
  result.layers = responses.finish(model);
  for (const LayerSubject& s : subjects_of(model)) {
    const auto layer = std::ranges::find(result.layers, s.name, &LayerExamination::name);
    if (layer != result.layers.end() && !s.weights.empty()) {
      layer->weights = weights_of(model, s.weights);
    }
  }
  examine_pull(model, backend, data, options, result);
  std::vector<LayerSigns> signs;
  for (const LayerExamination& layer : result.layers) {
    LayerSigns s = layer.signs();
    if (!layer.is_judged) s.gradient.reset();
    signs.push_back(std::move(s));
  }
  result.alarms = diagnose(signs, options.limits);
  return result;
}

}  // namespace soma
