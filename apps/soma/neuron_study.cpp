#include "neuron_study.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iostream>
#include <numeric>

#include "command_line.hpp"

using soma::Dataset;

namespace {

// How much of the data is used for what costs several passes: less for a large model, so that each
// takes about two seconds.
constexpr std::int64_t kRangeSamples = 500, kFieldSamples = 200, kAttributionWeights = 100;
std::int64_t affordable(const soma::Model& model, std::int64_t passes, std::int64_t most) {
  constexpr double kOperations = 2.5e11;
  double each = 1;
  for (const auto& layer : model.layers()) each += 2 * static_cast<double>(layer.macs);
  const double samples = kOperations / each / static_cast<double>(passes);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(samples), 8, most);
}

Subject::Kind kind_of(const soma::ModelInput& input) {
  if (input.type == soma::DType::i32) return Subject::Kind::text;
  const soma::Shape& shape = input.shape;
  if (shape.rank() == 3 && (shape[2] == 1 || shape[2] == 3)) return Subject::Kind::image;
  return shape.rank() == 2 ? Subject::Kind::series : Subject::Kind::record;
}

/// The neuron that "layer:index" names.
soma::NeuronView neuron_named(const soma::Model& model, const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::int64_t index = -1;
  if (colon != std::string::npos) {
    const char *begin = text.data() + colon + 1, *end = text.data() + text.size();
    const auto read = std::from_chars(begin, end, index);
    if (read.ec != std::errc() || read.ptr != end) index = -1;
  }
  if (index < 0) {
    throw UsageError("--neuron: expected LAYER:INDEX as in conv2:7, got '" + text + "'");
  }
  return model.layer(text.substr(0, colon)).neuron(index);
}

bool has_targets(const soma::Model& model, const Dataset& data) {
  try {
    require_fit(model, data);
    return true;
  } catch (const soma::ShapeError&) {
    return false;
  }
}

}  // namespace

Subject::Subject(const LookRequest& request) : trained(load_trained(request.source)) {
  spec = request.data;
  if (spec.empty()) {
    if (!trained.config) throw UsageError("inspect: a model file needs --data SPEC");
    spec = trained.config->data;
  }
  const bool own = trained.config && trained.config->data == spec;
  data = soma::data::load(spec, {.format = own ? nullptr : &model().record_format()}).test;
  for (const std::string& note : data.notes()) std::cerr << "data: " << note << "\n";
  classes = data.class_names();
  if (data.is_classification() && data.target_shape().rank() == 0 && data.size() > 0) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(data.size()));
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    labels.resize(rows.size());
    data.gather_labels(rows, labels.data());
  }
  kind = kind_of(model().inputs()[0]);
  const std::int64_t batch = std::max<std::int64_t>(1, std::min(request.batch, data.size()));
  backend = open_backend(request.backend, model(),
                         {.batch = batch,
                          .threads = request.threads,
                          .numerics = request.numerics,
                          .fallback = request.fallback},
                         data.size() / batch, Tell::when_measured);
  if (data.size() == 0 || model().inputs()[0].type != soma::DType::f32) return;
  std::vector<float> all;
  for (std::int64_t i = 0; i < std::min(kRangeSamples, data.size()); ++i) {
    const auto one = sample(i);
    all.insert(all.end(), one.begin(), one.end());
  }
  const auto [least, most] = std::ranges::minmax(all);
  const auto half = all.begin() + std::ssize(all) / 2;
  std::ranges::nth_element(all, half);
  low = least, high = most > least ? most : least + 1, middle = *half;
}

std::vector<float> Subject::sample(std::int64_t index) const {
  const soma::DataColumn& column = data.inputs()[0];
  std::vector<float> values(static_cast<std::size_t>(column.sample.elements()));
  if (column.type == soma::DType::f32) {
    data.gather_input(0, {&index, 1}, reinterpret_cast<std::byte*>(values.data()));
    return values;
  }
  std::vector<std::int32_t> ids(values.size());
  data.gather_input(0, {&index, 1}, reinterpret_cast<std::byte*>(ids.data()));
  std::ranges::transform(ids, values.begin(),
                         [](std::int32_t id) { return static_cast<float>(id); });
  return values;
}

std::string Subject::class_name(std::int64_t index) const {
  return index >= 0 && index < std::ssize(classes) ? classes[static_cast<std::size_t>(index)]
                                                   : std::to_string(index);
}

std::string Subject::class_of(std::int64_t sample) const {
  return labels.empty() ? "" : class_name(labels[static_cast<std::size_t>(sample)]);
}

std::string Subject::element_name(std::size_t e) const {
  const soma::RecordFormat& format = model().record_format();
  std::size_t first = 0;
  for (std::size_t f = 0; f < format.fields.size(); ++f) {
    const soma::RecordField& field = format.fields[f];
    if (format.target == f) continue;
    const auto width = static_cast<std::size_t>(field.width());
    if (e < first + width) {
      const std::size_t at = e - first;
      if (field.kind == soma::RecordField::Kind::number) {
        return at == 0 ? field.name : field.name + " missing";
      }
      return at < field.categories.size() ? field.name + "=" + field.categories[at]
                                          : field.name + " missing";
    }
    first += width;
  }
  return "x" + std::to_string(e + 1);
}

std::string position_text(const soma::NeuronView& neuron, std::int64_t position) {
  const soma::Shape extents = neuron.positions();
  if (extents.rank() == 0) return "";
  std::string text;
  for (int axis = 0; axis < extents.rank(); ++axis) {
    const std::int64_t x = position / extents.elements_from(axis + 1) % extents[axis];
    text += (axis == 0 ? "(" : ",") + std::to_string(x);
  }
  return text + ")";
}

std::string box_text(const soma::ReceptiveField& field, Subject::Kind kind) {
  const bool channels = kind == Subject::Kind::image || kind == Subject::Kind::series;
  const std::size_t axes = field.begin.size() - (channels ? 1 : 0);
  std::string text;
  for (std::size_t axis = 0; axis < axes; ++axis) {
    text += (axis == 0 ? "" : " x ") + std::to_string(field.end[axis] - field.begin[axis]);
  }
  return text;
}

soma::MaximiseOptions maximise_options(const Subject& subject, const std::string& layer,
                                       const LookRequest& request) {
  soma::MaximiseOptions options;
  options.steps = request.steps;
  options.low = subject.low;
  options.high = subject.high;
  options.background = std::clamp(subject.middle, subject.low, subject.high);
  options.log_probability = gives_classes(subject.model(), layer);
  options.threads = request.threads;
  return options;
}

NeuronStudy study_neuron(const Subject& subject, const LookRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  const soma::Model& model = subject.model();
  const soma::NeuronView neuron = neuron_named(model, request.neuron);
  NeuronStudy study{.neuron = neuron};
  const soma::SurveyOptions survey{.batch = request.batch, .threads = request.threads};
  study.incoming = neuron.incoming();
  study.outgoing = neuron.outgoing();
  if (model.layer(neuron.layer()).weighs()) study.bias = neuron.bias();
  const std::int64_t middle = neuron.position();
  study.field = neuron.receptive_field(middle);
  study.measured =
      measured_field(neuron, middle, subject.data.head(kFieldSamples), subject.backend, survey);
  study.responses = responses(neuron, subject.data, subject.backend, survey);
  for (const std::int64_t sample : study.responses.top(request.examples)) {
    const auto at = static_cast<std::size_t>(sample);
    const std::int64_t position = study.responses.positions[at];
    study.top.push_back(
        {sample, position, study.responses.peaks[at], neuron.receptive_field(position)});
  }
  if (!subject.labels.empty()) {
    const auto classes = std::ssize(subject.classes);
    study.selectivity = soma::class_selectivity(study.responses.peaks, subject.labels, classes);
    study.polysemanticity = soma::polysemanticity(study.responses.peaks, subject.labels, classes);
  }
  const bool climbs = model.inputs().size() == 1 && model.inputs()[0].type == soma::DType::f32;
  if (climbs && request.steps > 0) {
    const std::int64_t unit = neuron.index();
    const auto options = maximise_options(subject, neuron.layer(), request);
    study.maximised = maximise(model, neuron.layer(), {&unit, 1}, subject.backend, options)[0];
    if (options.log_probability) study.probability = std::exp(study.maximised->after);
  }
  if (!study.incoming.empty() && has_targets(model, subject.data)) {
    study.attribution = attribute_weights(neuron, subject.data, subject.backend,
                                          {.samples = affordable(model, kAttributionWeights, 128),
                                           .weights = kAttributionWeights,
                                           .threads = request.threads});
  }
  const Dataset part = subject.data.head(affordable(model, 6, 1000));
  study.influence_samples = part.size();
  study.from = incoming_influence(neuron, part, subject.backend, survey);
  study.onto = outgoing_influence(neuron, part, subject.backend, survey);
  study.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return study;
}
