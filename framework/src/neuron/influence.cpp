#include "soma/neuron/influence.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "neuron/data_batches.hpp"
#include "neuron/probe_graph.hpp"
#include "soma/neuron/layer_probe.hpp"
#include "soma/neuron/loss_probe.hpp"

namespace soma {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Ranks from 1; equals share the mean of theirs.
std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t k = begin; k < end; ++k) {
      ranks[order[k]] = (static_cast<double>(begin) + static_cast<double>(end) + 1) / 2;
    }
    begin = end;
  }
  return ranks;
}

/// An element of a parameter.
struct Place {
  std::string parameter;
  std::int64_t element;
  double attributed;
};

/// At most `most` of them, equally spaced in the order of their size, in their own order.
std::vector<std::size_t> spread(const std::vector<Place>& places, std::int64_t most) {
  std::vector<std::size_t> order(places.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (std::ssize(places) <= most || most < 1) return order;
  std::ranges::stable_sort(order, {},
                           [&](std::size_t i) { return std::abs(places[i].attributed); });
  std::vector<std::size_t> kept;
  for (std::int64_t k = 0; k < most; ++k) {
    const std::int64_t steps = std::max<std::int64_t>(1, most - 1);
    kept.push_back(order[at(k * (std::ssize(order) - 1) / steps)]);
  }
  std::ranges::sort(kept);
  return kept;
}

/// The nearest layer before, or the model's input, in which channels are what they were computed
/// as.
std::string layer_before(const Model& model, const std::string& layer) {
  const auto layers = model.layers();
  std::string name = layer;
  for (bool passed = true; passed;) {
    const auto here = std::ranges::find(layers, name, &Model::LayerView::name);
    name = here->inputs[0];
    const auto before = std::ranges::find(layers, name, &Model::LayerView::name);
    passed = before != layers.end() &&
             (before->layer->type() == "flatten" || before->layer->type() == "reshape" ||
              before->layer->type() == "dropout");
  }
  return name;
}

/// Where, in what the layer gives for a sample, the unit peaks.
std::int64_t peak_of(std::span<const float> outputs, const NeuronView& neuron, std::int64_t width) {
  std::int64_t best = neuron.index();
  for (std::int64_t e = best; e < std::ssize(outputs); e += width) {
    if (outputs[at(e)] > outputs[at(best)]) best = e;
  }
  return best;
}

OutgoingInfluence influence_on(const NeuronView& neuron, const std::string& layer,
                               const Dataset& data, const Backend& backend,
                               const SurveyOptions& options) {
  const Model& model = neuron.model();
  const std::int64_t batch =
      std::clamp<std::int64_t>(options.batch, 1, std::max<std::int64_t>(1, data.size()));
  const LayerProbeOptions probing{.batch = batch, .threads = options.threads, .layers = {}};
  LayerProbe whole(model, layer, backend, probing), without(model, layer, backend, probing);
  const std::int64_t width = model.layer(neuron.layer()).neurons();
  without.on_forward(neuron.layer(), [&](const HookedTensor& tensor) {
    for (auto e = at(neuron.index()); e < tensor.values.size(); e += at(width))
      tensor.values[e] = 0;
  });
  const std::int64_t units = model.layer(layer).neurons();
  OutgoingInfluence found{layer, std::vector<double>(at(units)), std::vector<double>(at(units))};
  DataBatches batches(model, data);
  batches.each(batch, [&](std::span<const std::int64_t> rows) {
    const auto inputs = batches.inputs(rows);
    const auto with = whole.run(inputs).sums, cut = without.run(inputs).sums;
    for (std::size_t e = 0; e < with.size(); ++e) {
      const double change = double{with[e]} - cut[e];
      found.effect[e % at(units)] += change;
      found.magnitude[e % at(units)] += std::abs(change);
    }
  });
  const double count = static_cast<double>(
      std::max<std::int64_t>(1, data.size() * whole.shape().elements() / units));
  for (double& v : found.effect) v /= count;
  for (double& v : found.magnitude) v /= count;
  return found;
}

}  // namespace

double rank_correlation(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) {
    throw ShapeError("rank correlation: expected lists of one length, got " +
                     std::to_string(a.size()) + " and " + std::to_string(b.size()));
  }
  const auto x = ranks_of(a), y = ranks_of(b);
  const double mean = (static_cast<double>(a.size()) + 1) / 2;
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
    xy += (x[i] - mean) * (y[i] - mean);
  }
  return xx == 0 || yy == 0 ? 0 : xy / std::sqrt(xx * yy);
}

WeightAttribution attribute_weights(const NeuronView& neuron, const Dataset& data,
                                    const Backend& backend, const AttributionOptions& options) {
  const auto incoming = neuron.incoming();
  if (incoming.empty() || data.size() == 0) {
    throw ShapeError("neuron " + neuron.name() + ": expected " +
                     (incoming.empty() ? "one with weights of its own" : "samples") +
                     " for the attribution, got none");
  }
  WeightAttribution found;
  found.samples = std::clamp<std::int64_t>(options.samples, 1, data.size());
  LossProbe probe(neuron.model(), backend, found.samples, options.threads);
  DataBatches batches(neuron.model(), data);
  std::vector<std::int64_t> rows(at(found.samples));
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  probe.set(batches.inputs(rows), batches.targets(rows));
  found.loss = probe.loss();
  std::vector<Place> places;
  for (const NeuronWeights& weights : incoming) {
    const auto gradient = probe.gradient(weights.parameter);
    for (std::size_t i = 0; i < weights.values.size(); ++i) {
      const double slope = gradient[at(weights.elements[i])];
      places.push_back({weights.parameter, weights.elements[i], -weights.values[i] * slope});
    }
  }
  found.weights = spread(places, options.weights);
  for (const std::size_t i : found.weights) {
    const Place& place = places[i];
    const float before = probe.exchange(place.parameter, place.element, 0);
    found.ablated.push_back(probe.loss() - found.loss);
    probe.exchange(place.parameter, place.element, before);
    found.attributed.push_back(place.attributed);
  }
  found.agreement = rank_correlation(found.attributed, found.ablated);
  return found;
}

IncomingInfluence incoming_influence(const NeuronView& neuron, const Dataset& data,
                                     const Backend& backend, const SurveyOptions& options) {
  const Model& model = neuron.model();
  IncomingInfluence found{layer_before(model, neuron.layer()), {}, {}};
  const auto input = std::ranges::find(model.inputs(), found.layer, &ModelInput::name);
  const bool given = input != model.inputs().end();
  if (given && input->type != DType::f32) return found;
  const auto number = given ? static_cast<std::size_t>(input - model.inputs().begin()) : 0;
  LayerProbeOptions probing{
      .batch = std::clamp<std::int64_t>(options.batch, 1, std::max<std::int64_t>(1, data.size())),
      .threads = options.threads,
      .layers = {}};
  if (!given) probing.layers = {found.layer};
  LayerProbe probe(model, neuron.layer(), backend, probing);
  DataBatches batches(model, data);
  const auto each = at(probe.shape().elements());
  const std::int64_t width = model.layer(neuron.layer()).neurons();
  const Shape before = given ? input->shape : [&] {
    const auto layers = model.layers();
    return std::ranges::find(layers, found.layer, &Model::LayerView::name)->output;
  }();
  const auto size = at(before.elements()), channels = at(before.rank() == 0 ? 1 : before.back());
  found.magnitude.assign(channels, 0.0);
  found.effect.assign(channels, 0.0);
  batches.each(probing.batch, [&](std::span<const std::int64_t> rows) {
    const auto inputs = batches.inputs(rows);
    std::vector<float> direction(rows.size() * each, 0.0f);
    const auto values = probe.run(inputs);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto outputs = values.outputs.subspan(i * each, each);
      direction[i * each + at(peak_of(outputs, neuron, width))] = 1;
    }
    const auto gradient = probe.gradient(inputs, direction);
    std::span<const float> x, slope;
    if (given) {
      x = {reinterpret_cast<const float*>(inputs[number].bytes().data()), inputs[number].size()};
      slope = gradient.inputs[number];
    } else {
      x = gradient.layers[0].outputs;
      slope = gradient.layers[0].gradient;
    }
    std::vector<double> part(channels);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::ranges::fill(part, 0.0);
      for (std::size_t e = 0; e < size; ++e) {
        part[e % channels] += double{x[i * size + e]} * slope[i * size + e];
      }
      for (std::size_t c = 0; c < channels; ++c) {
        found.effect[c] += part[c];
        found.magnitude[c] += std::abs(part[c]);
      }
    }
  });
  const double count = static_cast<double>(std::max<std::int64_t>(1, data.size()));
  for (double& v : found.effect) v /= count;
  for (double& v : found.magnitude) v /= count;
  return found;
}

std::vector<OutgoingInfluence> outgoing_influence(const NeuronView& neuron, const Dataset& data,
                                                  const Backend& backend,
                                                  const SurveyOptions& options) {
  const Model& model = neuron.model();
  std::vector<std::string> wanted;
  for (const NeuronWeights& weights : neuron.outgoing()) wanted.push_back(weights.layer);
  for (const ModelOutput& output : model.outputs()) wanted.push_back(output.name);
  std::vector<OutgoingInfluence> found;
  const std::size_t own = layer_number(model, neuron.layer());
  for (const Model::LayerView& layer : model.layers()) {
    if (std::ranges::count(wanted, layer.name) == 0) continue;
    if (layer_number(model, layer.name) <= own) continue;
    found.push_back(influence_on(neuron, layer.name, data, backend, options));
  }
  return found;
}

}  // namespace soma
