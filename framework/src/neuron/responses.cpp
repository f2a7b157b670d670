#include "soma/neuron/responses.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "neuron/data_batches.hpp"
#include "neuron/reach.hpp"
#include "soma/neuron/layer_probe.hpp"

namespace soma {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A survey must not take more than there is.
std::int64_t fitting_batch(const Dataset& data, const SurveyOptions& options) {
  return std::clamp<std::int64_t>(options.batch, 1, std::max<std::int64_t>(1, data.size()));
}

}  // namespace

std::vector<std::int64_t> NeuronResponses::top(std::int64_t count) const {
  std::vector<std::int64_t> order(peaks.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto kept = std::min<std::size_t>(order.size(), at(std::max<std::int64_t>(0, count)));
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(kept),
                            [&](std::int64_t a, std::int64_t b) {
                              const float x = peaks[at(a)], y = peaks[at(b)];
                              return x != y ? x > y : a < b;
                            });
  order.resize(kept);
  return order;
}

NeuronResponses responses(const NeuronView& neuron, const Dataset& data, const Backend& backend,
                          const SurveyOptions& options) {
  const std::int64_t batch = fitting_batch(data, options);
  LayerProbe probe(neuron.model(), neuron.layer(), backend,
                   {.batch = batch, .threads = options.threads, .layers = {}});
  DataBatches batches(neuron.model(), data);
  const std::int64_t positions = neuron.positions().elements();
  const std::int64_t width = neuron.model().layer(neuron.layer()).neurons();
  NeuronResponses found;
  std::int64_t firing = 0;
  batches.each(batch, [&](std::span<const std::int64_t> rows) {
    const auto values = probe.run(batches.inputs(rows));
    for (std::int64_t i = 0; i < std::ssize(rows); ++i) {
      const auto place = [&](std::int64_t p) {
        return at((i * positions + p) * width + neuron.index());
      };
      std::int64_t best = 0;
      double sum = 0;
      for (std::int64_t p = 0; p < positions; ++p) {
        const float value = values.outputs[place(p)];
        if (value > values.outputs[place(best)]) best = p;
        sum += value;
        firing += value > 0;
      }
      found.peaks.push_back(values.outputs[place(best)]);
      found.sums.push_back(values.sums[place(best)]);
      found.positions.push_back(best);
      found.means.push_back(static_cast<float>(sum / static_cast<double>(positions)));
    }
  });
  const std::int64_t all = data.size() * positions;
  found.firing = all == 0 ? 0 : static_cast<double>(firing) / static_cast<double>(all);
  return found;
}

ClassSelectivity class_selectivity(std::span<const float> values,
                                   std::span<const std::int32_t> labels, std::int64_t classes) {
  ClassSelectivity found;
  std::vector<double> count(at(classes), 0.0);
  found.means.assign(at(classes), 0.0);
  double least = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (labels[i] < 0) continue;
    found.means[at(labels[i])] += values[i];
    ++count[at(labels[i])];
    least = std::min(least, double{values[i]});
  }
  double sum = 0, seen = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    double& mean = found.means[at(c)];
    if (count[at(c)] == 0) {
      mean = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    mean /= count[at(c)];
    sum += mean - least;
    ++seen;
    if (found.preferred < 0 || mean > found.means[at(found.preferred)]) found.preferred = c;
  }
  if (seen < 2) return found;
  const double most = found.means[at(found.preferred)] - least, rest = (sum - most) / (seen - 1);
  found.index = most + rest > 0 ? (most - rest) / (most + rest) : 0;

  // The sum of the ranks of the preferred class; ties share theirs.
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (labels[i] >= 0) order.push_back(i);
  }
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  double ranks = 0;
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = (static_cast<double>(begin) + static_cast<double>(end) + 1) / 2;
    for (std::size_t k = begin; k < end; ++k)
      ranks += labels[order[k]] == found.preferred ? rank : 0;
    begin = end;
  }
  const double own = count[at(found.preferred)];
  const double others = static_cast<double>(order.size()) - own;
  found.auc = (ranks - own * (own + 1) / 2) / (own * others);
  return found;
}

Polysemanticity polysemanticity(std::span<const float> values, std::span<const std::int32_t> labels,
                                std::int64_t classes, std::int64_t most) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (labels[i] >= 0 && values[i] > 0) order.push_back(i);
  }
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return values[i]; });
  order.resize(std::min(order.size(), at(most)));
  Polysemanticity found;
  found.shares.assign(at(classes), 0.0);
  double sum = 0;
  for (const std::size_t i : order) {
    found.shares[at(labels[i])] += values[i];
    sum += values[i];
  }
  if (sum == 0) return found;
  double entropy = 0;
  for (double& share : found.shares) {
    share /= sum;
    if (share > 0) entropy -= share * std::log(share);
  }
  found.effective_classes = std::exp(entropy);
  found.score = classes < 2 ? 0 : (found.effective_classes - 1) / static_cast<double>(classes - 1);
  return found;
}

MeasuredField measured_field(const NeuronView& neuron, std::int64_t position,
                             const Dataset& samples, const Backend& backend,
                             const SurveyOptions& options) {
  const Model& model = neuron.model();
  const std::int64_t batch = fitting_batch(samples, options);
  const std::int64_t width = model.layer(neuron.layer()).neurons();
  const std::int64_t goal = position * width + neuron.index();
  LayerProbe probe(model, neuron.layer(), backend,
                   {.batch = batch, .threads = options.threads, .layers = {}});
  DataBatches batches(model, samples);
  const ModelInput& input = model.inputs()[0];
  const auto size = at(input.shape.elements()), each = at(probe.shape().elements());
  std::vector<double> sum(size, 0.0);
  batches.each(batch, [&](std::span<const std::int64_t> rows) {
    const auto views = batches.inputs(rows);
    if (input.type == DType::f32) {
      std::vector<float> direction(rows.size() * each, 0.0f);
      for (std::size_t i = 0; i < rows.size(); ++i) direction[i * each + at(goal)] = 1;
      const auto gradient = probe.gradient(views, direction).inputs[0];
      for (std::size_t e = 0; e < gradient.size(); ++e) sum[e % size] += std::abs(gradient[e]);
      return;
    }
    const std::span ids(reinterpret_cast<const std::int32_t*>(views[0].bytes().data()),
                        views[0].size());
    std::vector<std::int32_t> changed(ids.begin(), ids.end());
    std::vector<TensorView> other(views.begin(), views.end());
    other[0] = std::span<const std::int32_t>(changed);
    const auto sums = [&](std::span<const TensorView> from) {
      const auto values = probe.run(from);
      std::vector<float> list;
      for (std::size_t i = 0; i < rows.size(); ++i)
        list.push_back(values.sums[i * each + at(goal)]);
      return list;
    };
    const auto before = sums(views);
    for (std::size_t e = 0; e < size; ++e) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::size_t k = 1; k < rows.size() && changed[i * size + e] == ids[i * size + e];
             ++k) {
          changed[i * size + e] = ids[(i + k) % rows.size() * size + e];
        }
      }
      const auto after = sums(other);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        sum[e] += std::abs(double{after[i]} - before[i]);
        changed[i * size + e] = ids[i * size + e];
      }
    }
  });
  MeasuredField found{{input.name, input.shape, {}, {}, {}}, {}};
  for (const double s : sum) {
    found.sensitivity.push_back(
        static_cast<float>(s / static_cast<double>(std::max<std::int64_t>(1, samples.size()))));
    found.field.reaches.push_back(s > 0);
  }
  fit_box(found.field);
  return found;
}

}  // namespace soma
